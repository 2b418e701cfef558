-- The number of lanes; 0 before the first migration creates them.
select count(*)
from lanes
