-- Moves the checkpoint of a stopped lane past one event ($4, chain $5), and records the skip permanently
-- with its reason: together, and only if the lane is still stopped exactly there.
with gone as (
    delete from stopped_lanes
    where projection = $1 and version = $2 and lane = $3
    returning error
),
moved as (
    update checkpoints
    set position = $4, chain = $5, applied_at = clock_timestamp()
    from gone
    where projection = $1 and version = $2 and lane = $3 and position = $4::bigint - 1
    returning gone.error
)
insert into skipped_events (projection, version, lane, position, event, error, reason)
select $1, $2, $3, $4, $6, moved.error, $7
from moved
