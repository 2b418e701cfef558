-- One page of figures in the order (sku, location), and how far every lane is applied: one statement,
-- so one moment. At least one row, whose `present` says whether it holds a figure.
-- A filter ($2 to $6) that is null does not filter; the page starts after the pair ($7, $8). Where
-- only few rows can match ($10), they are all found by their own index and sorted: text with nothing
-- added to it has the same order, but no index to walk along past rows that do not match.
with page as (
    select *
    from stock_levels
    where ($2::text is null or location = $2)
        and ($3::text is null or (sku >= $3 and sku < $3 || chr(127)))
        and ($4::bigint is null or available = $4)
        and ($5::bigint is null or available < $5)
        and ($6::boolean is null or low)
        and ($7::text is null or (sku, location) > ($7, $8))
    order by case when $10 then sku || '' else sku end, location
    limit $9
)
select
    reflected.position as reflected,
    page.sku is not null as present,
    page.sku,
    page.location,
    page.lane,
    page.on_hand,
    page.reserved,
    page.allocated,
    page.available,
    page.version,
    page.position,
    page.updated_at
from (
    select string_agg(lane || ':' || position, ',' order by lane) as position
    from checkpoints
    where projection = 'stock' and version = $1
) as reflected
left join page on true
order by page.sku, page.location
