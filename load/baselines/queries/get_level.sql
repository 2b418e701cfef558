-- The figures of an item at a location.
select sku, location, on_hand, reserved, on_hand - reserved as available, version, updated_at
from stock
where sku = $1 and location = $2
