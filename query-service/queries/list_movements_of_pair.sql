-- The movements of one pair ($1, $2) up to the position $3, newest first, at most $4: they never
-- change, so it does not matter when they are read.
select
    lane,
    position,
    sku,
    location,
    type,
    reason,
    reference_type,
    reference_id,
    reference_line,
    actor,
    correlation_id,
    occurred_at,
    recorded_at,
    on_hand,
    reserved,
    allocated,
    on_hand_delta,
    reserved_delta,
    allocated_delta,
    version,
    reservation,
    reservation_line
from movements
where sku = $1 and location = $2 and position <= $3
order by position desc
limit $4
