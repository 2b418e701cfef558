-- Marks items as retired, after the descriptions of the batch are written. Rows that are ahead stay
-- unchanged.
update items
set retired = true,
    version = gone.version,
    position = gone.position,
    updated_at = gone.updated_at
from unnest($1::text[], $2::bigint[], $3::bigint[], $4::timestamptz[])
    as gone (sku, version, position, updated_at)
where items.sku = gone.sku
    and items.position < gone.position
