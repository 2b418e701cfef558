-- How many keys were forgotten.
select count
from forgettings
