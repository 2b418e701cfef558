-- The stock as a whole and the transfers on their way, of one moment.
select
    (select count(*) from items where not retired) as skus,
    (select count(*) from locations) as locations,
    coalesce(sum(on_hand), 0)::text as on_hand,
    coalesce(sum(reserved), 0)::text as reserved,
    coalesce(sum(allocated), 0)::text as allocated,
    coalesce(sum(available), 0)::text as available,
    coalesce(sum(incoming), 0)::text as incoming,
    coalesce(sum(waiting), 0)::text as waiting,
    count(*) filter (where available <= 0) as sold_out,
    count(*) filter (where low) as low,
    (select count(*) from waitlist) as waiting_lines,
    (select count(*) from transfers where status = 'in_transit') as in_transit,
    (select count(*) from transfers where status = 'in_transit' and overdue) as overdue
from stock_levels
