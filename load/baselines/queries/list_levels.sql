-- A page of the figures of all skus with a prefix, in order.
select sku, location, on_hand, reserved, on_hand - reserved as available, version, updated_at
from stock
where sku >= $1 and sku < $1 || chr(127)
order by sku, location
limit $2
