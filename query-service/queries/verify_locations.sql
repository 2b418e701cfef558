-- Every location that was written from a lane ($1), its contents as text; none when one sku
-- is asked for ($2).
select
    'location/' || code as key,
    version,
    position,
    updated_at,
    null::timestamptz as made_at,
    false as retired,
    array[name, coalesce(kind, ''), metadata::text] as contents
from locations
where lane = $1 and $2::text is null
