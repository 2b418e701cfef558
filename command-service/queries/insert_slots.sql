-- Stores the lane of every slot, given in slot order.
insert into slots (slot, lane)
select nth - 1, lane
from unnest($1::smallint[]) with ordinality as map (lane, nth)
