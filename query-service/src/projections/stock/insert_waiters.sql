-- Writes the lines that began to wait. Existing rows stay unchanged.
insert into waitlist (
    reservation, line, sku, location, owner, turn, waiting, since, since_at, wait_until, lane, version,
    position, updated_at
)
select *
from unnest(
    $1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::smallint[], $7::bigint[],
    $8::bigint[], $9::timestamptz[], $10::timestamptz[], $11::smallint[], $12::bigint[], $13::bigint[],
    $14::timestamptz[]
)
on conflict (reservation, line) do nothing
