-- One page of the movements of a sku ($2), at one location ($3) or at all, newest first, and how far
-- every lane is applied: as list_movements, which it stands for where a sku is given. All of a sku
-- stands in one lane, where the position alone is the order; so the page is among the first of each of
-- its pairs, which the index of pairs finds. A type and a reason are wider than a pair, so their indexes
-- are not offered (`|| ''`).
with page as (
    select one.*
    from stock_levels as level
    cross join lateral (
        select *
        from movements
        where movements.sku = level.sku
            and movements.location = level.location
            and ($4::text is null or type || '' = $4)
            and ($5::text is null or reason || '' = $5)
            and ($6::text is null or (reference_type = $6 and reference_id = $7))
            and ($8::text is null or actor = $8)
            and ($9::text is null or correlation_id = $9)
            and ($10::timestamptz is null or recorded_at >= $10)
            and ($11::timestamptz is null or recorded_at < $11)
            and ($12::timestamptz is null or (recorded_at, lane, position) < ($12, $13::smallint, $14::bigint))
            and ($14 is null or position < $14)
        order by position desc
        limit $15
    ) as one
    where level.sku = $2 and ($3::text is null or level.location = $3)
    order by one.position desc
    limit $15
)
select
    reflected.position as reflected,
    page.sku is not null as present,
    page.lane,
    page.position,
    page.sku,
    page.location,
    page.type,
    page.reason,
    page.reference_type,
    page.reference_id,
    page.reference_line,
    page.actor,
    page.correlation_id,
    page.occurred_at,
    page.recorded_at,
    page.on_hand,
    page.reserved,
    page.allocated,
    page.on_hand_delta,
    page.reserved_delta,
    page.allocated_delta
from (
    select string_agg(lane || ':' || position, ',' order by lane) as position
    from checkpoints
    where projection = 'stock' and version = $1
) as reflected
left join page on true
order by page.recorded_at desc, page.lane desc, page.position desc
