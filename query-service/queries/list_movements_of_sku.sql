-- The movements of one sku ($1) at all locations after the position $2 and up to the position $3,
-- newest first, at most $4: they never change, so it does not matter when they are read.
select
    movement.lane,
    movement.position,
    movement.sku,
    movement.location,
    movement.type,
    movement.reason,
    movement.reference_type,
    movement.reference_id,
    movement.reference_line,
    movement.actor,
    movement.correlation_id,
    movement.occurred_at,
    movement.recorded_at,
    movement.on_hand,
    movement.reserved,
    movement.allocated,
    movement.on_hand_delta,
    movement.reserved_delta,
    movement.allocated_delta,
    movement.version,
    movement.reservation,
    movement.reservation_line
from stock_levels level
cross join lateral (
    select *
    from movements one
    where one.sku = level.sku
        and one.location = level.location
        and one.position > $2
        and one.position <= $3
    order by one.position desc
    limit $4
) as movement
where level.sku = $1
order by movement.position desc
limit $4
