-- The past name of one sku ($3), with the figure of every location that had a history of it, and how far
-- its lane ($2) is applied: one statement, so one moment. The past is up to the position $4 (if it is
-- null, everything applied), and with a time $5 only what had happened by then; before its first
-- description an item has its first name. One row per location, and at least one row if the lane exists.
select
    c.lane,
    c.position as applied,
    item.name,
    item.position as name_position,
    level.location,
    level.on_hand::text,
    level.reserved::text,
    level.allocated::text,
    level.available::text,
    level.incoming::text,
    level.waiting::text,
    level.version,
    level.position,
    level.updated_at
from checkpoints c
left join names item
    on item.stream = 'item/' || $3::text
    and item.position = coalesce(
        (
            select max(names.position)
            from names
            where stream = 'item/' || $3
                and names.position <= coalesce($4::bigint, c.position)
                and ($5::timestamptz is null or occurred_at <= $5)
        ),
        (
            select min(names.position)
            from names
            where stream = 'item/' || $3 and names.position <= coalesce($4, c.position)
        )
    )
left join lateral (
    select place.location, figure.*
    from stock_levels place
    cross join lateral
        figure_then(place.sku, place.location, coalesce($4, c.position), $5) as figure
    where place.sku = $3
) as level on true
where c.projection = 'stock' and c.version = $1 and c.lane = $2
order by level.location
