-- One page of pairs that were ever short, in the order (sku, location), and how far every lane is
-- applied: one statement, so one moment. At least one row, whose `present` says whether it holds one.
-- A filter ($2, $3) that is null does not filter; the page starts after the pair ($4, $5).
with page as (
    select *
    from levels
    where alert_position is not null
        and ($2::text is null or sku = $2)
        and ($3::boolean is null or raised = $3)
        and ($4::text is null or (sku, location) > ($4, $5))
    order by sku, location
    limit $6
)
select
    reflected.position as reflected,
    page.sku is not null as present,
    page.lane,
    page.sku,
    page.location,
    page.raised,
    page.available,
    coalesce(items.reorder_point, 0) as reorder_point,
    page.alert_position,
    page.alerted_at,
    page.position
from (
    select string_agg(lane || ':' || position, ',' order by lane) as position
    from checkpoints
    where projection = 'low_stock' and version = $1
) as reflected
left join page on true
left join items using (sku)
order by page.sku, page.location
