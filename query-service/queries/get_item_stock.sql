-- The totals of one sku ($3) with the figure of every location that has a history, and how far its
-- lane ($2) is applied: one statement, so one moment. One row a location, and at least one row as
-- long as the lane exists.
select
    c.lane,
    c.position as applied,
    items.name,
    items.version as item_version,
    total.on_hand as total_on_hand,
    total.reserved as total_reserved,
    total.allocated as total_allocated,
    total.available as total_available,
    total.version as total_version,
    total.position as total_position,
    total.updated_at as total_updated_at,
    level.location,
    level.on_hand,
    level.reserved,
    level.allocated,
    level.available,
    level.version,
    level.position,
    level.updated_at
from checkpoints c
left join items on items.sku = $3
left join stock_totals total on total.sku = $3
left join stock_levels level on level.sku = $3
where c.projection = 'stock' and c.version = $1 and c.lane = $2
order by level.location
