-- For how many seconds the version that answers has done so.
select extract(epoch from clock_timestamp() - active_since)::float8
from projections
where name = $1
