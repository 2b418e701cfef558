-- One page of figures then, in the order (sku, location), and how far every lane is applied: one
-- statement, so one moment. Then is after the positions $8 of the lanes $7 (of a lane that is not
-- named: all that is applied), and, with a moment $9, of what had happened by it.
-- A filter ($2, $3) that is null does not filter; the page starts after the pair ($4, $5). Of the
-- pairs that there are now at most $10 are looked at; of those with a history then the first $6 + 1
-- are given. At least one row, whose `present` says whether it holds a figure; every row tells the
-- last pair that was looked at, if there may be others.
with looked_at as materialized (
    select level.sku, level.location, level.lane
    from stock_levels level
    where ($2::text is null or level.location = $2)
        and ($3::text is null or (level.sku >= $3 and level.sku < $3 || chr(127)))
        and ($4::text is null or (level.sku, level.location) > ($4, $5))
    order by level.sku, level.location
    limit $10
),
reflected as (
    select
        string_agg(lane || ':' || position, ',' order by lane) as position,
        (
            select array[last.sku, last.location]
            from (select *, row_number() over () as place from looked_at) as last
            where last.place = $10
        ) as looked_up_to
    from checkpoints
    where projection = 'stock' and version = $1
),
page as (
    select pair.sku, pair.location, pair.lane, figure.*
    from looked_at pair
    join checkpoints c on c.projection = 'stock' and c.version = $1 and c.lane = pair.lane
    left join unnest($7::smallint[], $8::bigint[]) as known (lane, position) on known.lane = pair.lane
    cross join lateral
        figure_then(pair.sku, pair.location, coalesce(known.position, c.position), $9) as figure
    order by pair.sku, pair.location
    limit $6 + 1
)
select
    reflected.position as reflected,
    reflected.looked_up_to,
    page.sku is not null as present,
    page.sku,
    page.location,
    page.lane,
    page.on_hand,
    page.reserved,
    page.allocated,
    page.available,
    page.version,
    page.position,
    page.updated_at
from reflected
left join page on true
order by page.sku, page.location
