-- How many events every view reflects, in all lanes together: the view that is behind the others says.
select coalesce(min(of_one.applied), 0)::bigint
from (
    select sum(position) as applied
    from checkpoints
    group by projection, version
) as of_one
