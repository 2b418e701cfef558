-- Adds to the stock on hand, or takes from the available stock; no row if that is too little.
update stock
set on_hand = on_hand + $3, version = version + 1, updated_at = now()
where sku = $1 and location = $2 and on_hand - reserved + $3 >= 0
returning json_build_object(
    'figures', json_build_array(json_build_object(
        'sku', sku, 'location', location, 'on_hand', on_hand, 'reserved', reserved,
        'available', on_hand - reserved, 'version', version
    ))
)
