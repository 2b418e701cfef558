-- The movements of one pair ($1, $2) up to the position $3, summed by type: together they are the figures
-- at that position. Sums are text, because they may be beyond 64 bits. Read from an index alone.
select
    type,
    count(*) as events,
    sum(on_hand_delta)::text as on_hand,
    sum(reserved_delta)::text as reserved,
    sum(allocated_delta)::text as allocated,
    sum(incoming_delta)::text as incoming,
    sum(waiting_delta)::text as waiting
from movements
where sku = $1 and location = $2 and position <= $3
group by type
order by type
