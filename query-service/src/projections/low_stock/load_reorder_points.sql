-- The reorder points of these skus ($1), where one is known.
select sku, reorder_point
from items
where sku = any ($1)
