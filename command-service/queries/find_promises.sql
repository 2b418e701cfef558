-- For each given stream, at most a hundred events that made promises which still stand, the newest first.
-- Looks at the newest ten thousand events of a stream.
select promise.lane, promise.position, asked.stream
from unnest($1::text[]) as asked (stream)
cross join lateral (
    select
        recent.lane,
        max(recent.position) filter (
            where recent.type in ('StockReserved', 'StockWaitlistFilled', 'StockAllocated')
        ) as position
    from (
        select events.lane, events.position, events.type, events.data
        from events
        where events.stream = asked.stream
        order by events.version desc
        limit 10000
    ) as recent
    where recent.type in (
        'StockReserved', 'StockWaitlistFilled', 'StockAllocated', 'StockReleased', 'StockHoldExpired',
        'StockDeallocated', 'StockFulfilled'
    )
    group by recent.lane, recent.data ->> 'reservation', recent.data ->> 'line'
    -- An allocation moves a promise, it neither makes nor ends one.
    having sum(
        case recent.type
            when 'StockReserved' then (recent.data ->> 'quantity')::bigint
            when 'StockWaitlistFilled' then (recent.data ->> 'quantity')::bigint
            when 'StockAllocated' then 0
            else -(recent.data ->> 'quantity')::bigint
        end
    ) > 0
    order by position desc
    limit 100
) as promise
