-- Events applied in all lanes together, by the view that is furthest behind.
select coalesce(min(of_one.applied), 0)::bigint
from (
    select sum(position) as applied
    from checkpoints
    group by projection, version
) as of_one
