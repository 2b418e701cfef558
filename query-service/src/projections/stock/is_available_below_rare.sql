-- Whether at most $2 pairs have less than $1 available. Reads at most one pair more than that.
select count(*) <= $2 as is_rare
from (
    select
    from stock_levels
    where band <= band(greatest($1::bigint, 0) - 1) and available < $1
    limit $2::bigint + 1
) as found
