-- Locks the given keys and then the given lanes, each in ascending order, until the transaction ends.
-- The keys are aggregated before the join, so every plan takes them before any lane.
with keys as materialized (
    select count(pg_advisory_xact_lock(key)) as locked from unnest($1::bigint[]) as key
)
select lanes.lane
from lanes, keys
where lanes.lane = any($2::smallint[]) and keys.locked >= 0
order by lanes.lane
for update of lanes
