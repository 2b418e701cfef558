-- One page of reservations, newest first, and how far every lane is applied: one statement, so one
-- moment. At least one row, whose `present` says whether it holds a reservation.
-- A filter ($2 to $5) that is null does not filter; the page starts after ($6, $7). It ends after $8
-- reservations, or with the one that brings it to $9 lines; `goes_on` says whether others follow.
with found as (
    select *
    from reservations
    where ($2::text is null or owner = $2)
        and ($3::text is null or (reference_type = $3 and reference_id = $4))
        and ($5::text is null or status = $5)
        and ($6::timestamptz is null or (made_at, id) < ($6, $7))
    order by made_at desc, id desc
    limit $8 + 1
),
counted as (
    select
        found.*,
        row_number() over newest as place,
        sum(line_count) over newest - line_count as lines_before
    from found
    window newest as (order by made_at desc, id desc rows unbounded preceding)
)
select
    reflected.position as reflected,
    exists (select from counted where place > $8 or lines_before >= $9) as goes_on,
    page.id is not null as present,
    page.lane,
    page.id,
    page.owner,
    page.status,
    page.expires_at,
    page.reference_type,
    page.reference_id,
    page.reference_line,
    page.lines,
    page.made_at,
    page.version,
    page.position,
    page.updated_at
from (
    select string_agg(lane || ':' || position, ',' order by lane) as position
    from checkpoints
    where projection = 'stock' and version = $1
) as reflected
left join counted page on page.place <= $8 and page.lines_before < $9
order by page.made_at desc, page.id desc
