-- The database's clock and the last event of each given lane, nothing for an empty lane; one row
-- without a lane where none is given. Exact for a lane only when its row was locked by an earlier
-- statement of the same transaction.
select
    lane.lane,
    head.position,
    head.chain,
    head.recorded_at,
    clock_timestamp() as now
from (select) as always
left join unnest($1::smallint[]) as lane (lane) on true
left join lateral (
    select events.position, events.chain, events.recorded_at
    from events
    where events.lane = lane.lane
    order by events.position desc
    limit 1
) as head on true
