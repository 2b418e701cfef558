-- The figure of one pair ($3, $4), whether its item and location are registered, and how far the
-- sku's lane ($2) is applied, and the location's ($5) if that is not registered: one statement, so
-- one moment. One row as long as the lane exists.
select
    c.lane,
    c.position as applied,
    items.sku is not null as item_known,
    locations.code is not null as location_known,
    case when locations.code is null then (
        select position
        from checkpoints
        where projection = 'stock' and version = $1 and lane = $5
    ) end as location_applied,
    level.on_hand,
    level.reserved,
    level.allocated,
    level.available,
    level.version,
    level.position,
    level.updated_at
from checkpoints c
left join items on items.sku = $3
left join locations on locations.code = $4
left join stock_levels level on level.sku = $3 and level.location = $4
where c.projection = 'stock' and c.version = $1 and c.lane = $2
