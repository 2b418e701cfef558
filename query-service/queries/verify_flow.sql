-- The first day of an item that was written from a lane ($1) and is not the sum of the item's movements, up to the
-- position that `daily_flow` (version $2) has applied; of one sku only, if $4 names it. None where `stock`
-- (version $3) has applied less, or where `daily_flow` was made to skip an event.
with applied as materialized (
    select flow.position
    from checkpoints as flow
    join checkpoints as stock using (lane)
    where flow.projection = 'daily_flow'
        and flow.version = $2
        and flow.lane = $1
        and stock.projection = 'stock'
        and stock.version = $3
        and stock.position >= flow.position
        and not exists (
            select
            from skipped_events
            where projection = 'daily_flow' and version = $2 and lane = $1
        )
),
moved as (
    select
        movements.sku,
        (occurred_at at time zone 'utc')::date as day,
        sum(on_hand_delta) filter (where type = 'StockReceived') as incoming,
        -sum(on_hand_delta) filter (where type in ('StockIssued', 'StockFulfilled')) as outgoing,
        sum(on_hand_delta) filter (where type = 'StockReturned') as returned,
        sum(on_hand_delta) filter (
            where type in ('StockAdjusted', 'StockSet', 'StockReversed')
        ) as adjusted,
        sum(on_hand_delta) filter (
            where type in ('StockDispatched', 'StockBroughtBack', 'StockArrived')
        ) as transferred
    from movements
    join applied on movements.position <= applied.position
    where lane = $1 and ($4::text is null or sku = $4)
    group by 1, 2
),
both_sides as (
    select
        sku,
        day,
        days.position,
        concat_ws(
            ', ', coalesce(moved.incoming, 0), coalesce(moved.outgoing, 0), coalesce(moved.returned, 0),
            coalesce(moved.adjusted, 0), coalesce(moved.transferred, 0)
        ) as expected,
        concat_ws(
            ', ', coalesce(days.incoming, 0), coalesce(days.outgoing, 0), coalesce(days.returned, 0),
            coalesce(days.adjusted, 0), coalesce(days.transferred, 0)
        ) as found
    from moved
    full join (
        select *
        from days
        where lane = $1 and ($4::text is null or sku = $4)
    ) as days using (sku, day)
)
select
    sku,
    null::text as stream,
    day || ': incoming, outgoing, returned, adjusted, transferred' as member,
    expected,
    found,
    position
from both_sides
where expected <> found and exists (select from applied)
order by sku, day
limit 1
