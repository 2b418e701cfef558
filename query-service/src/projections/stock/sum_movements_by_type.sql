-- The movements of one pair ($1, $2) up to the position $3, summed by type: together they are the figures
-- at that position. Read from an index alone.
select
    type,
    count(*) as events,
    sum(on_hand_delta)::bigint as on_hand,
    sum(reserved_delta)::bigint as reserved,
    sum(allocated_delta)::bigint as allocated
from movements
where sku = $1 and location = $2 and position <= $3
group by type
order by type
