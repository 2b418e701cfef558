-- Copies the last reorder points of these skus ($1) to their levels.
update stock_levels
set reorder_point = last.reorder_point
from unnest($1::text[]) as changed (sku)
cross join lateral (
    select reorder_point
    from reorder_points
    where reorder_points.sku = changed.sku
    order by position desc
    limit 1
) as last
where stock_levels.sku = changed.sku
    and stock_levels.reorder_point <> last.reorder_point
