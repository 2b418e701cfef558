-- The last position of each lane asked for, off the right edge of the primary key; no row for a
-- lane without events.
select asked.lane, head.position
from unnest($1::smallint[]) as asked(lane)
cross join lateral (
    select position
    from events
    where events.lane = asked.lane
    order by position desc
    limit 1
) as head
