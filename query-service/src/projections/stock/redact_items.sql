-- Takes the free names and values out of the items that are described by events ($1, $2) which have lost theirs.
-- A retired item is described by an event before its last one; its names tell which.
update items
set metadata = '{}'
from unnest($1::smallint[], $2::bigint[]) as redacted (lane, position)
where items.lane = redacted.lane
    and redacted.position = (
        select max(names.position)
        from names
        where names.stream = 'item/' || items.sku
    )
