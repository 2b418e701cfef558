-- Writes the newest description of each location. Rows that are ahead stay unchanged.
insert into locations (code, lane, name, kind, metadata, version, position, updated_at)
select *
from unnest(
    $1::text[], $2::smallint[], $3::text[], $4::text[], $5::json[],
    $6::bigint[], $7::bigint[], $8::timestamptz[]
)
on conflict (code) do update
set name = excluded.name,
    kind = excluded.kind,
    metadata = excluded.metadata,
    version = excluded.version,
    position = excluded.position,
    updated_at = excluded.updated_at
where locations.position < excluded.position
