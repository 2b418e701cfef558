-- Every figure that was written from a lane ($1); of one sku only, if $2 names it.
select sku, location, on_hand, reserved, allocated, reorder_point, version, position, updated_at
from stock_levels
where lane = $1 and ($2::text is null or sku = $2)
