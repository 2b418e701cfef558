-- For how many seconds the current version has answered.
select extract(epoch from clock_timestamp() - active_since)::float8
from projections
where name = $1
