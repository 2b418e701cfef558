-- What is on its way to one pair ($1, $2) at the position $3, by transfer and line: the first $4, each row
-- with the count and the sum of all. Read from an index alone.
with opened as (
    select transfer, transfer_line, sum(incoming_delta)::bigint as quantity
    from movements
    where sku = $1 and location = $2 and position <= $3 and transfer is not null
    group by transfer, transfer_line
    having sum(incoming_delta) <> 0
)
select
    transfer,
    transfer_line,
    quantity,
    count(*) over () as lines,
    sum(quantity) over ()::text as total
from opened
order by transfer, transfer_line
limit $4
