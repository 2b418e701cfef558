-- Adds to the days of each item; sums are text, because they may be beyond 64 bits. Rows that are ahead
-- stay unchanged.
insert into days (sku, day, lane, incoming, outgoing, returned, adjusted, transferred, position)
select *
from unnest(
    $1::text[], $2::date[], $3::smallint[], $4::text[]::numeric[], $5::text[]::numeric[],
    $6::text[]::numeric[], $7::text[]::numeric[], $8::text[]::numeric[], $9::bigint[]
)
on conflict (sku, day) do update
set incoming = days.incoming + excluded.incoming,
    outgoing = days.outgoing + excluded.outgoing,
    returned = days.returned + excluded.returned,
    adjusted = days.adjusted + excluded.adjusted,
    transferred = days.transferred + excluded.transferred,
    position = excluded.position
where days.position < excluded.position
