-- The past figures of many pairs ($2, $3), or of a whole sku if the location is null: of the events up to
-- a position of the sku's lane ($6) and, with a time ($8), only those that had happened by then; whether
-- the item and the location were registered by then ($6, and $7 in the location's lane); and how far the
-- lanes ($4, $5) are applied: one statement, so one moment. A null position means everything applied.
-- One row per pair if its lane exists; `place` is the index of the pair, from 1.
select
    asked.place,
    c.lane,
    c.position as applied,
    case
        when figure.version is null then exists (
            select
            from names
            where names.stream = 'item/' || asked.sku
                and names.position <= coalesce(asked.upto, c.position)
        )
    end as item_known,
    case
        when figure.version is null and asked.location is not null then exists (
            select
            from names
            where names.stream = 'location/' || asked.location
                and names.position <= coalesce(asked.location_upto, other.position)
        )
    end as location_known,
    other.position as location_applied,
    figure.on_hand::text,
    figure.reserved::text,
    figure.allocated::text,
    figure.available::text,
    figure.incoming::text,
    figure.waiting::text,
    figure.version,
    figure.position,
    figure.updated_at
from unnest($2::text[], $3::text[], $4::smallint[], $5::smallint[], $6::bigint[], $7::bigint[])
    with ordinality as asked (sku, location, lane, location_lane, upto, location_upto, place)
join checkpoints c on c.projection = 'stock' and c.version = $1 and c.lane = asked.lane
left join checkpoints other
    on other.projection = 'stock' and other.version = $1 and other.lane = asked.location_lane
left join lateral (
    select *
    from figure_then(asked.sku, asked.location, coalesce(asked.upto, c.position), $8)
    where asked.location is not null
    union all
    select
        sum(one.on_hand),
        sum(one.reserved),
        sum(one.allocated),
        sum(one.available),
        sum(one.incoming),
        sum(one.waiting),
        sum(one.version)::bigint,
        max(one.position),
        max(one.updated_at)
    from stock_levels level
    cross join lateral
        figure_then(level.sku, level.location, coalesce(asked.upto, c.position), $8) as one
    where asked.location is null and level.sku = asked.sku
    having count(*) > 0
) as figure on true
