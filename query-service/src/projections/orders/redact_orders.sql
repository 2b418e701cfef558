-- Takes the references out of the orders whose last events ($1, $2) have lost theirs.
update orders
set reference_type = null,
    reference_id = null,
    reference_line = null
from unnest($1::smallint[], $2::bigint[]) as redacted (lane, position)
where orders.lane = redacted.lane
    and orders.position = redacted.position
