-- Positions and times of events in the given lanes, after one and up to another given position, at most $4
-- for each lane, in lane order.
select asked.lane, event.position, event.recorded_at
from unnest($1::smallint[], $2::bigint[], $3::bigint[]) as asked (lane, after, up_to)
cross join lateral (
    select events.position, events.recorded_at
    from events
    where events.lane = asked.lane
        and events.position > asked.after
        and events.position <= asked.up_to
    order by events.position
    limit $4
) as event
order by asked.lane, event.position
