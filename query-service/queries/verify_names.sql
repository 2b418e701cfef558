-- The first item or location that was written from a lane ($1) and whose last description names it otherwise; of
-- one sku only, if $2 names it.
select
    described.sku,
    described.stream,
    'name' as member,
    described.name as expected,
    last.name as found,
    last.position
from (
    select sku, 'item/' || sku as stream, name
    from items
    where lane = $1 and ($2::text is null or sku = $2)
    union all
    select null, 'location/' || code, name
    from locations
    where lane = $1 and $2::text is null
) as described
left join lateral (
    select names.name, names.position
    from names
    where names.stream = described.stream
    order by names.position desc
    limit 1
) as last on true
where described.name is distinct from last.name
order by described.stream
limit 1
