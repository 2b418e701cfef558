-- Every sku's totals that were written from a lane ($1); of one sku only, if $2 names it.
select sku, on_hand, reserved, allocated, version, position, updated_at
from stock_totals
where lane = $1 and ($2::text is null or sku = $2)
