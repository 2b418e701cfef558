-- How many lanes the log has; 0 before the first migration has fixed them.
select count(*)
from lanes
