-- The first alerts in the outbox ($1 at most), in order for each lane. Alerts of a lane are inserted in the
-- order of its positions, so none can appear before one that was read.
select lane, position, sku, location, raised, available, reorder_point, recorded_at
from alert_outbox
order by lane, position, location
limit $1
