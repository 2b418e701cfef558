-- The lane of every slot, in slot order.
select lane
from slots
order by slot
