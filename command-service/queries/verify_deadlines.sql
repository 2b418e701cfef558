-- The first reservation whose deadline is not the end of its hold or of its waiting, waiting reservation that
-- is not asked to follow its fills, queue that is not asked to go on, transfer under way whose deadline is not
-- the moment it is expected at, order whose deadline is not the moment it goes on at, or deadline without any
-- of them.
with reservations as materialized (
    select distinct on (stream) stream, lane, position, data -> 'after' as after
    from events
    where stream >= 'reservation/' and stream < 'reservation0'
    order by stream, version desc
),
fills as (
    select
        'reservation/' || (data ->> 'reservation') as stream,
        sum((data ->> 'quantity')::bigint) as quantity,
        max((data ->> 'filled_at')::timestamptz) as filled_at
    from events
    where type = 'StockWaitlistFilled'
    group by 1
),
followed as (
    select events.stream, sum((part ->> 'quantity')::bigint) as quantity
    from events
    cross join lateral json_array_elements(data -> 'parts') as part
    where type = 'ReservationFilled'
    group by 1
),
queues as materialized (
    select distinct on (stream)
        stream,
        lane,
        position,
        (data ->> 'more_due_at')::timestamptz as due_at
    from events
    where type in ('StockWaitlistFilled', 'StockWaitlistLeft')
    order by stream, version desc
),
transfers as materialized (
    select distinct on (stream)
        stream,
        lane,
        position,
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
    select
        stream,
        lane,
        position,
        'expire_reservation' as what,
        case after ->> 'status'
            when 'held' then (after ->> 'expires_at')::timestamptz
            when 'waiting' then (after ->> 'wait_until')::timestamptz
        end as due_at
    from reservations
    union all
    select
        stream,
        lane,
        position,
        'follow_waitlist',
        case when fills.quantity > coalesce(followed.quantity, 0) then filled_at end
    from reservations
    join fills using (stream)
    left join followed using (stream)
    where after ->> 'status' = 'waiting'
    union all
    select stream, lane, position, 'fill_waitlist', due_at from queues
    union all
    select stream, lane, position, 'overdue_transfer', due_at from transfers
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
