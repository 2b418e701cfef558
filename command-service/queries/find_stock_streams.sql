-- The streams of the stock of the given skus, at every location. '0' is the character after '/'.
select stream
from unnest($1::text[]) as asked (sku)
join events on events.stream >= 'stock/' || asked.sku || '/'
    and events.stream < 'stock/' || asked.sku || '0'
    and events.version = 1
