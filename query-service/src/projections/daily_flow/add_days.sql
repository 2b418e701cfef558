-- Adds to the days of each item. Rows that are ahead stay unchanged.
insert into days (sku, day, lane, incoming, outgoing, returned, adjusted, position)
select *
from unnest(
    $1::text[], $2::date[], $3::smallint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[],
    $8::bigint[]
)
on conflict (sku, day) do update
set incoming = days.incoming + excluded.incoming,
    outgoing = days.outgoing + excluded.outgoing,
    returned = days.returned + excluded.returned,
    adjusted = days.adjusted + excluded.adjusted,
    position = excluded.position
where days.position < excluded.position
