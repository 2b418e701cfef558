-- The same, and stores the outcome under a key in the same transaction; a key that was used before
-- is a unique violation, and nothing is changed.
with changed as (
    update stock
    set on_hand = on_hand + $3, version = version + 1, updated_at = now()
    where sku = $1 and location = $2 and on_hand - reserved + $3 >= 0
    returning json_build_object(
        'figures', json_build_array(json_build_object(
            'sku', sku, 'location', location, 'on_hand', on_hand, 'reserved', reserved,
        'available', on_hand - reserved, 'version', version
        ))
    ) as body
),
stored as (
    insert into outcomes (key, status, body) select $4, 200, body from changed
)
select body from changed
