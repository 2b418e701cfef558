-- Moves the checkpoints of some lanes ($3 to $7, one entry per lane), each only from its expected position.
-- If a lane is not counted, another instance moved it, and nothing may be written. The rows are locked in
-- lane order until the end of the transaction. A lane that moves is no longer stopped.
with held as (
    select lane
    from checkpoints
    where projection = $1 and version = $2 and lane = any ($3)
    order by lane
    for update
),
resumed as (
    delete from stopped_lanes
    where projection = $1 and version = $2 and lane = any ($3)
)
update checkpoints
set position = moved.last,
    chain = moved.chain,
    kafka_offset = coalesce(moved.kafka_offset, checkpoints.kafka_offset),
    applied_at = clock_timestamp()
from held
join unnest($3::smallint[], $4::bigint[], $5::bigint[], $6::bytea[], $7::bigint[])
    as moved (lane, before, last, chain, kafka_offset) using (lane)
where checkpoints.projection = $1
    and checkpoints.version = $2
    and checkpoints.lane = held.lane
    and checkpoints.position = moved.before
