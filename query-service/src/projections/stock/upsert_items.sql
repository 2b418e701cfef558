-- Writes the newest description of each item; one that is described is traded. Rows that are ahead stay
-- unchanged.
insert into items (sku, lane, name, scale, unit, reorder_point, metadata, version, position, updated_at)
select *
from unnest(
    $1::text[], $2::smallint[], $3::text[], $4::smallint[], $5::text[], $6::bigint[], $7::json[],
    $8::bigint[], $9::bigint[], $10::timestamptz[]
)
on conflict (sku) do update
set name = excluded.name,
    scale = excluded.scale,
    unit = excluded.unit,
    reorder_point = excluded.reorder_point,
    metadata = excluded.metadata,
    retired = false,
    version = excluded.version,
    position = excluded.position,
    updated_at = excluded.updated_at
where items.position < excluded.position
