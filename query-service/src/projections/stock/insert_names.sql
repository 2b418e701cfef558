-- Writes one row per description of an item or a location. Existing rows stay unchanged.
insert into names (stream, position, lane, name)
select *
from unnest($1::text[], $2::bigint[], $3::smallint[], $4::text[])
on conflict (stream, position) do nothing
