-- One reservation ($3), and how far its lane ($2) is applied: one statement, so one moment. One row if the
-- lane exists.
select
    c.lane,
    c.position as applied,
    reservations.id is not null as present,
    reservations.id,
    reservations.owner,
    reservations.status,
    reservations.expires_at,
    reservations.reference_type,
    reservations.reference_id,
    reservations.reference_line,
    reservations.wait_until,
    reservations.priority,
    reservations.lines,
    (
        select json_object_agg(
            waiter.line,
            place_in_queue(waiter.sku, waiter.location, waiter.turn, waiter.since)
        )
        from waitlist as waiter
        where waiter.reservation = reservations.id
    ) as places,
    reservations.made_at,
    reservations.version,
    reservations.position,
    reservations.updated_at
from checkpoints c
left join reservations on reservations.id = $3
where c.projection = 'stock' and c.version = $1 and c.lane = $2
