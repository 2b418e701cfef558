-- The first held reservation whose deadline is not the end of its hold, transfer under way whose deadline is
-- not the moment it is expected at, order whose deadline is not the moment it goes on at, or deadline without
-- any of them.
with reservations as materialized (
    select distinct on (stream)
        stream,
        lane,
        position,
        'expire_reservation' as what,
        case when data -> 'after' ->> 'status' = 'held'
            then (data -> 'after' ->> 'expires_at')::timestamptz
        end as due_at
    from events
    where stream >= 'reservation/' and stream < 'reservation0'
    order by stream, version desc
),
transfers as materialized (
    select distinct on (stream)
        stream,
        lane,
        position,
        'overdue_transfer' as what,
        case when data -> 'after' ->> 'status' in ('in_transit', 'partially_received')
            and data -> 'after' ->> 'overdue' = 'false'
            then (data -> 'after' ->> 'expected_at')::timestamptz
        end as due_at
    from events
    where stream >= 'transfer/' and stream < 'transfer0'
    order by stream, version desc
),
orders as materialized (
    select distinct on (stream)
        stream,
        lane,
        position,
        'continue_order' as what,
        (data -> 'after' ->> 'due_at')::timestamptz as due_at
    from events
    where stream >= 'order/' and stream < 'order0'
    order by stream, version desc
),
streams as (
    select * from reservations
    union all
    select * from transfers
    union all
    select * from orders
)
select
    coalesce(streams.lane, 0::smallint) as lane,
    coalesce(streams.position, 0) as position,
    coalesce(streams.stream, deadlines.stream) as stream,
    'deadline' as what,
    coalesce(streams.due_at::text, 'nothing') as expected,
    coalesce(deadlines.due_at::text, 'nothing') as found
from streams
full join deadlines on deadlines.stream = streams.stream and deadlines.what = streams.what
where streams.due_at is distinct from deadlines.due_at
order by 1, 2
limit 1
