-- Every item that was written from a lane ($1), its metadata as the text it is stored as; of one sku
-- only, if $2 names it.
select
    sku, name, scale, unit, reorder_point, metadata::text as metadata, retired, version, position,
    updated_at
from items
where lane = $1 and ($2::text is null or sku = $2)
