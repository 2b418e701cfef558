-- Changes the rows of all lines, which must be locked and checked.
with lines as (
    select sku, location, sum(delta)::bigint as delta
    from unnest($1::text[], $2::text[], $3::bigint[]) as line (sku, location, delta)
    group by sku, location
),
changed as (
    update stock
    set on_hand = stock.on_hand + lines.delta, version = stock.version + 1, updated_at = now()
    from lines
    where stock.sku = lines.sku and stock.location = lines.location
    returning stock.sku, stock.location, stock.on_hand, stock.reserved, stock.version
)
select json_build_object(
    'figures', json_agg(json_build_object(
        'sku', sku, 'location', location, 'on_hand', on_hand, 'reserved', reserved,
        'available', on_hand - reserved, 'version', version
    ))
)
from changed
