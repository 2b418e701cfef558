-- Whether at most $2 pairs have less than $1 available. Reads at most one pair more than that.
select count(*) <= $2
from (select from stock_levels where available < $1 limit $2 + 1) as found
