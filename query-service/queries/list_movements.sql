-- One page of movements, newest first, and how far every lane is applied: one statement, so one
-- moment. At least one row, whose `present` says whether it holds a movement.
-- A filter ($2 to $11) that is null does not filter; the page starts after ($12, $13, $14). A filter on
-- a value is to be found by that value's index: the one by time alone is for pages without, which say
-- what it is made for (`position > 0`). Else a value that is frequent, but not of late, is looked for
-- through all that is newer. A sku ($2) is not given: list_movements_of_item is for that.
with page as (
    select *
    from movements
    where (coalesce($3::text, $4, $5, $6, $8, $9) is not null or position > 0)
        and ($3::text is null or location = $3)
        and ($4::text is null or type = $4)
        and ($5::text is null or reason = $5)
        and ($6::text is null or (reference_type = $6 and reference_id = $7))
        and ($8::text is null or actor = $8)
        and ($9::text is null or correlation_id = $9)
        and ($10::timestamptz is null or recorded_at >= $10)
        and ($11::timestamptz is null or recorded_at < $11)
        and ($12::timestamptz is null or (recorded_at, lane, position) < ($12, $13::smallint, $14::bigint))
    order by recorded_at desc, lane desc, position desc
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
