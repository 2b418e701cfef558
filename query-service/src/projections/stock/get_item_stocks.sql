-- The totals of many skus ($2) with the figure of every location that has a history, and how far the lane
-- of each ($3) is applied: one statement, so one moment. One row per sku and location, and at least one
-- per sku if its lane exists; `place` is the index of the sku, from 1.
select
    asked.place,
    c.lane,
    c.position as applied,
    items.name,
    items.version as item_version,
    total.on_hand::text as total_on_hand,
    total.reserved::text as total_reserved,
    total.allocated::text as total_allocated,
    total.available::text as total_available,
    total.incoming::text as total_incoming,
    total.waiting::text as total_waiting,
    total.version as total_version,
    total.position as total_position,
    total.updated_at as total_updated_at,
    level.location,
    level.on_hand,
    level.reserved,
    level.allocated,
    level.available,
    level.incoming,
    level.waiting,
    level.version,
    level.position,
    level.updated_at
from unnest($2::text[], $3::smallint[]) with ordinality as asked (sku, lane, place)
join checkpoints c on c.projection = 'stock' and c.version = $1 and c.lane = asked.lane
left join items on items.sku = asked.sku
left join stock_totals total on total.sku = asked.sku
left join stock_levels level on level.sku = asked.sku
order by asked.place, level.location
