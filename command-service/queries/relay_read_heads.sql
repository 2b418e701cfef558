-- The last position of each lane, from the end of the primary key; no row for an empty lane.
select asked.lane, head.position
from unnest($1::smallint[]) as asked(lane)
cross join lateral (
    select position
    from events
    where events.lane = asked.lane
    order by position desc
    limit 1
) as head
