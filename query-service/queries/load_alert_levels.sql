-- What is stored of these skus ($1) at every location that has a history of them.
select sku, location, lane, available, raised, alert_position, alerted_at, position, updated_at
from levels
where sku = any ($1)
