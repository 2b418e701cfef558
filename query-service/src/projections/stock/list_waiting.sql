-- What waits for one pair ($1, $2) at the position $3, by reservation and line: the first $4, each row with
-- the count and the sum of all. Read from an index alone.
with opened as (
    select reservation, reservation_line, sum(waiting_delta)::bigint as quantity
    from movements
    where sku = $1 and location = $2 and position <= $3 and waiting_delta <> 0
    group by reservation, reservation_line
    having sum(waiting_delta) <> 0
)
select
    reservation,
    reservation_line,
    quantity,
    count(*) over () as lines,
    sum(quantity) over ()::text as total
from opened
order by reservation, reservation_line
limit $4
