-- The same, and stores the outcome under a key in the same transaction; a key that was used before
-- is a unique violation, and nothing is held.
with changed as (
    update stock
    set reserved = reserved + $3, version = version + 1, updated_at = now()
    where sku = $1 and location = $2 and on_hand - reserved >= $3
    returning sku, location, on_hand, reserved, version
),
held as (
    insert into reservations (id, sku, location, quantity, owner, expires_at)
    select $4, sku, location, $3, $5, now() + make_interval(secs => $6) from changed
),
answer as (
    select json_build_object(
        'reservation', $4,
        'figures', json_build_array(json_build_object(
            'sku', sku, 'location', location, 'on_hand', on_hand, 'reserved', reserved,
        'available', on_hand - reserved, 'version', version
        ))
    ) as body
    from changed
),
stored as (
    insert into outcomes (key, status, body) select $7, 201, body from answer
)
select body from answer
