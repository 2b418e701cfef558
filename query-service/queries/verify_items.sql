-- Every item that was written from a lane ($1), its contents as text; of one sku only, if $2
-- names it.
select
    'item/' || sku as key,
    version,
    position,
    updated_at,
    null::timestamptz as made_at,
    retired,
    array[name, scale::text, unit, reorder_point::text, metadata::text] as contents
from items
where lane = $1 and ($2::text is null or sku = $2)
