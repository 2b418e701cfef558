-- The last event of each given lane, nothing for an empty lane, and the database's clock. Exact for a lane only when
-- its row was locked by an earlier statement of the same transaction.
select
    lane.lane,
    head.position,
    head.chain,
    head.recorded_at,
    clock_timestamp() as now
from unnest($1::smallint[]) as lane (lane)
left join lateral (
    select events.position, events.chain, events.recorded_at
    from events
    where events.lane = lane.lane
    order by events.position desc
    limit 1
) as head on true
