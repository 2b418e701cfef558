-- Copies the reorder points of these skus ($1) to their levels.
update stock_levels
set reorder_point = items.reorder_point
from items
where items.sku = any ($1)
    and stock_levels.sku = items.sku
    and stock_levels.reorder_point <> items.reorder_point
