-- Writes one row per description of an item or a location. Existing rows stay unchanged.
insert into names (stream, position, lane, name, occurred_at)
select *
from unnest($1::text[], $2::bigint[], $3::smallint[], $4::text[], $5::timestamptz[])
on conflict (stream, position) do nothing
