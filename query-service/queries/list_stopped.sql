-- The versions of the projections ($2, or all if it is null) that are stopped in a lane ($1), with their
-- position.
select s.projection, s.version, c.position + 1 as position, s.event, s.error
from stopped_lanes s
join checkpoints c using (projection, version, lane)
where s.lane = $1 and ($2::text is null or s.projection = $2)
order by s.projection, s.version
