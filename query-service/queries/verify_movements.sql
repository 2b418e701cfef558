-- Every movement of a lane ($1) after a position ($2) and up to another ($3), by position; of one sku
-- only, if $4 names it. Movements never change, so positions that are applied need no transaction.
select
    position, sku, location, type, reason, reference_type, reference_id, reference_line, actor,
    correlation_id, occurred_at, recorded_at, on_hand, reserved, allocated, on_hand_delta,
    reserved_delta, allocated_delta, version, reservation, reservation_line, expires_at, incoming,
    incoming_delta, transfer, transfer_line, waiting, waiting_delta
from movements
where lane = $1 and position > $2 and position <= $3 and ($4::text is null or sku = $4)
order by position
