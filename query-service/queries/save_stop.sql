-- Records why a lane stopped, if its checkpoint is still at $4. The newest stop replaces an older one.
insert into stopped_lanes (projection, version, lane, event, error)
select projection, version, lane, $5, $6
from checkpoints
where projection = $1 and version = $2 and lane = $3 and position = $4
on conflict (projection, version, lane) do update
set event = excluded.event, error = excluded.error, stopped_at = clock_timestamp()
where (stopped_lanes.event, stopped_lanes.error) is distinct from (excluded.event, excluded.error)
