-- Takes the references out of the reservations whose last events ($1, $2) have lost theirs.
update reservations
set reference_type = null,
    reference_id = null,
    reference_line = null
from unnest($1::smallint[], $2::bigint[]) as redacted (lane, position)
where reservations.lane = redacted.lane
    and reservations.position = redacted.position
