-- Those of the given skus that any stock event names. '0' is the character after '/'.
select sku
from unnest($1::text[]) as sku
where exists (
    select from events
    where events.stream >= 'stock/' || sku || '/' and events.stream < 'stock/' || sku || '0'
)
