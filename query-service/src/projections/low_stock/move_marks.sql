-- Moves the marks of some lanes ($1) to the end of a batch ($2), never back, and returns where each was.
-- The rows are locked in lane order until the end of the transaction: of two versions that see the same
-- alert, only the first puts it out.
with held as (
    select lane, position
    from alert_marks
    where lane = any ($1)
    order by lane
    for update
)
update alert_marks
set position = greatest(alert_marks.position, reached.position)
from held
join unnest($1::smallint[], $2::bigint[]) as reached (lane, position) using (lane)
where alert_marks.lane = held.lane
returning held.lane, held.position
