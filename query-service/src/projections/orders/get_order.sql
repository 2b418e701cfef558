-- One order ($3), and how far its lane ($2) is applied: one statement, so one moment. One row if the lane
-- exists.
select
    c.lane,
    c.position as applied,
    orders.id is not null as present,
    orders.id,
    orders.owner,
    orders.status,
    orders.reservation,
    orders.deadline,
    orders.reference_type,
    orders.reference_id,
    orders.reference_line,
    orders.lines,
    orders.steps,
    orders.events,
    orders.made_at,
    orders.version,
    orders.position,
    orders.updated_at
from checkpoints c
left join orders on orders.id = $3
where c.projection = 'orders' and c.version = $1 and c.lane = $2
