-- The first alerts about orders that wait for an operator in their outbox ($1 at most), in order for each lane.
select lane, position, order_id, step, recorded_at
from order_outbox
order by lane, position
limit $1
