-- One page of locations by code, and how far every lane is applied: one statement, so one moment. At
-- least one row, whose `present` says whether it holds a location. The page starts after the code $2.
with page as (
    select *
    from locations
    where $2::text is null or code > $2
    order by code
    limit $3
)
select
    reflected.position as reflected,
    page.code is not null as present,
    page.lane,
    page.code,
    page.name,
    page.kind,
    page.metadata,
    page.version,
    page.position,
    page.updated_at
from (
    select string_agg(lane || ':' || position, ',' order by lane) as position
    from checkpoints
    where projection = 'stock' and version = $1
) as reflected
left join page on true
order by page.code
