-- Takes the references out of the transfers whose last events ($1, $2) have lost theirs.
update transfers
set reference_type = null,
    reference_id = null,
    reference_line = null
from unnest($1::smallint[], $2::bigint[]) as redacted (lane, position)
where transfers.lane = redacted.lane
    and transfers.position = redacted.position
