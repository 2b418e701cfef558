-- Counts events for each item. Rows that are ahead stay unchanged.
insert into items (sku, lane, version, position, updated_at)
select *
from unnest($1::text[], $2::smallint[], $3::bigint[], $4::bigint[], $5::timestamptz[])
on conflict (sku) do update
set version = items.version + excluded.version,
    position = excluded.position,
    updated_at = excluded.updated_at
where items.position < excluded.position
