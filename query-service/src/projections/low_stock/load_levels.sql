-- The stored levels of these skus ($1) at every location.
select sku, location, lane, available, raised, alert_position, alerted_at, position, updated_at
from levels
where sku = any ($1)
