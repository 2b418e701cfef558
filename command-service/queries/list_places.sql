-- Places and times of the events in the given lanes, after and up to the given positions, at most $4 a
-- lane, in lane order.
select asked.lane, place.position, place.recorded_at
from unnest($1::smallint[], $2::bigint[], $3::bigint[]) as asked (lane, after, up_to)
cross join lateral (
    select events.position, events.recorded_at
    from events
    where events.lane = asked.lane
        and events.position > asked.after
        and events.position <= asked.up_to
    order by events.position
    limit $4
) as place
order by asked.lane, place.position
