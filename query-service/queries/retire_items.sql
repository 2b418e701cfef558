-- Marks items as retired, after the batch's descriptions are written; a row that is already further
-- stays as it is.
update items
set retired = true,
    version = gone.version,
    position = gone.position,
    updated_at = gone.updated_at
from unnest($1::text[], $2::bigint[], $3::bigint[], $4::timestamptz[])
    as gone (sku, version, position, updated_at)
where items.sku = gone.sku
    and items.position < gone.position
