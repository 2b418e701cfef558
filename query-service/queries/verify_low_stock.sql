-- The first pair of an item and a location that was written from a lane ($1) and of which `low_stock` (version $2)
-- knows another quantity than `stock` (version $3), or which it calls short though it is not, or the other way
-- round; of one sku only, if $4 names it. None where both have not applied the same, or one was made to skip an event.
with agreeing as materialized (
    select
    from checkpoints as low
    join checkpoints as stock using (lane, position)
    where low.projection = 'low_stock'
        and low.version = $2
        and low.lane = $1
        and stock.projection = 'stock'
        and stock.version = $3
        and not exists (
            select
            from skipped_events
            where projection = 'low_stock' and version = $2 and lane = $1
        )
),
both_sides as (
    select
        sku,
        location,
        levels.position,
        concat_ws(
            ', ',
            stock.available,
            stock.reorder_point > 0
                and stock.available <= stock.reorder_point + case
                    when levels.raised then greatest(stock.reorder_point / 10, 1)
                    else 0
                end
        ) as expected,
        concat_ws(', ', levels.available, levels.raised) as found
    from (
        select *
        from stock_levels
        where lane = $1 and ($4::text is null or sku = $4)
    ) as stock
    full join (
        select *
        from levels
        where lane = $1 and ($4::text is null or sku = $4)
    ) as levels using (sku, location)
)
select
    sku,
    'stock/' || sku || '/' || location as stream,
    'available, short' as member,
    expected,
    found,
    position
from both_sides
where expected <> found and exists (select from agreeing)
order by sku, location
limit 1
