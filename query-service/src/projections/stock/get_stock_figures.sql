-- The figures of many pairs ($2, $3), or of a whole sku if the location is null; for a pair without
-- history, whether the item and the location are registered; and how far the lanes of the sku ($4) and,
-- if the pair has no history, of the location ($5) are applied: one statement, so one moment. One row per
-- pair if its lane exists; `place` is the index of the pair, from 1.
select
    asked.place,
    c.lane,
    c.position as applied,
    case
        when figure.version is null then exists (select from items where items.sku = asked.sku)
    end as item_known,
    case
        when figure.version is null and asked.location is not null
        then exists (select from locations where locations.code = asked.location)
    end as location_known,
    case
        when figure.version is null then (
            select other.position
            from checkpoints other
            where other.projection = 'stock' and other.version = $1 and other.lane = asked.location_lane
        )
    end as location_applied,
    figure.on_hand::text,
    figure.reserved::text,
    figure.allocated::text,
    figure.available::text,
    figure.incoming::text,
    figure.waiting::text,
    figure.version,
    figure.position,
    figure.updated_at
from unnest($2::text[], $3::text[], $4::smallint[], $5::smallint[])
    with ordinality as asked (sku, location, lane, location_lane, place)
join checkpoints c on c.projection = 'stock' and c.version = $1 and c.lane = asked.lane
left join lateral (
    select on_hand, reserved, allocated, available, incoming, waiting, version, position, updated_at
    from stock_levels
    where sku = asked.sku and location = asked.location
    union all
    select on_hand, reserved, allocated, available, incoming, waiting, version, position, updated_at
    from stock_totals
    where asked.location is null and sku = asked.sku
) as figure on true
