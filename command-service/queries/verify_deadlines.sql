-- The first held reservation whose deadline is not the end of its hold, or deadline without a hold.
with reservations as materialized (
    select distinct on (stream)
        stream,
        lane,
        position,
        case when data -> 'after' ->> 'status' = 'held'
            then (data -> 'after' ->> 'expires_at')::timestamptz
        end as ends_at
    from events
    where stream >= 'reservation/' and stream < 'reservation0'
    order by stream, version desc
)
select
    coalesce(reservations.lane, 0::smallint) as lane,
    coalesce(reservations.position, 0) as position,
    coalesce(reservations.stream, deadlines.stream) as stream,
    'deadline' as what,
    coalesce(reservations.ends_at::text, 'nothing') as expected,
    coalesce(deadlines.due_at::text, 'nothing') as found
from reservations
full join deadlines
    on deadlines.stream = reservations.stream and deadlines.what = 'expire_reservation'
where reservations.ends_at is distinct from deadlines.due_at
order by 1, 2
limit 1
