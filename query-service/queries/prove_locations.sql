-- Every location that was written from a lane ($1), its metadata as the text it is stored as; none
-- when one sku is asked for ($2).
select code, name, kind, metadata::text as metadata, version, position, updated_at
from locations
where lane = $1 and $2::text is null
