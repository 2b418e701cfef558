-- The first alerts in the outbox ($1 at most), each lane's in order. A lane's alerts are put there in
-- the order of its positions, so none comes in before one that was seen.
select lane, position, sku, location, raised, available, reorder_point, recorded_at
from alert_outbox
order by lane, position, location
limit $1
