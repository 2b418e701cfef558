-- Brings the reorder points of these skus' pairs ($1) up to date with their items.
update stock_levels
set reorder_point = items.reorder_point
from items
where items.sku = any ($1)
    and stock_levels.sku = items.sku
    and stock_levels.reorder_point <> items.reorder_point
