-- Stores the lane of every slot: $1 holds them in slot order, from slot 0.
insert into slots (slot, lane)
select dealt.slot - 1, dealt.lane
from unnest($1::smallint[]) with ordinality as dealt (lane, slot)
