-- Every lane of every version of every projection, with the event that a stopped lane waits at and the
-- events that it skipped.
select
    c.projection,
    c.version,
    c.version = p.active_version as active,
    v.state = 'filling' as filling,
    c.lane,
    c.position,
    c.chain,
    c.applied_at,
    s.event,
    s.error,
    s.stopped_at,
    array(
        select event
        from skipped_events
        where projection = c.projection and version = c.version and lane = c.lane
        order by position desc
        limit 20
    ) as skipped
from checkpoints c
join projections p on p.name = c.projection
join projection_versions v using (projection, version)
left join stopped_lanes s using (projection, version, lane)
order by c.projection, c.version, c.lane
