-- Takes the references out of the movements that some events ($1, $2) caused.
update movements
set reference_type = null,
    reference_id = null,
    reference_line = null
from unnest($1::smallint[], $2::bigint[]) as redacted (lane, position)
where movements.lane = redacted.lane
    and movements.position = redacted.position
