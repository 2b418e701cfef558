-- Locks the rows of all lines in key order, and returns whether all lines together are possible.
with lines as (
    select sku, location, sum(delta)::bigint as delta
    from unnest($1::text[], $2::text[], $3::bigint[]) as line (sku, location, delta)
    group by sku, location
),
locked as (
    select stock.sku, stock.location, stock.on_hand, stock.reserved
    from stock
    where (stock.sku, stock.location) in (select sku, location from lines)
    order by stock.sku, stock.location
    for update
)
select count(locked.sku) = count(*) and coalesce(bool_and(locked.on_hand - locked.reserved + lines.delta >= 0), false)
from lines
left join locked using (sku, location)
