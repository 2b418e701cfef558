-- Takes the free names and values out of the locations whose last events ($1, $2) have lost theirs.
update locations
set metadata = '{}'
from unnest($1::smallint[], $2::bigint[]) as redacted (lane, position)
where locations.lane = redacted.lane
    and locations.position = redacted.position
