-- Every lane of every version of every projection, with what a stopped lane waits at.
select
    c.projection,
    c.version,
    c.version = p.active_version as active,
    c.lane,
    c.position,
    c.chain,
    c.applied_at,
    s.event,
    s.error,
    s.stopped_at
from checkpoints c
join projections p on p.name = c.projection
left join stopped_lanes s using (projection, version, lane)
order by c.projection, c.version, c.lane
