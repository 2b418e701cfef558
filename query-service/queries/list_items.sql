-- One page of items by sku, and how far every lane is applied: one statement, so one moment. At least
-- one row, whose `present` says whether it holds an item. The page starts after the sku $2.
with page as (
    select *
    from items
    where $2::text is null or sku > $2
    order by sku
    limit $3
)
select
    reflected.position as reflected,
    page.sku is not null as present,
    page.lane,
    page.sku,
    page.name,
    page.scale,
    page.unit,
    page.reorder_point,
    page.metadata,
    page.retired,
    page.version,
    page.position,
    page.updated_at
from (
    select string_agg(lane || ':' || position, ',' order by lane) as position
    from checkpoints
    where projection = 'stock' and version = $1
) as reflected
left join page on true
order by page.sku
