-- One item ($3), and how far its lane ($2) is applied: one statement, so one moment. One row if the lane
-- exists.
select
    c.lane,
    c.position as applied,
    items.sku is not null as present,
    items.sku,
    items.name,
    items.scale,
    items.unit,
    items.reorder_point,
    items.metadata,
    items.retired,
    items.version,
    items.position,
    items.updated_at
from checkpoints c
left join items on items.sku = $3
where c.projection = 'stock' and c.version = $1 and c.lane = $2
