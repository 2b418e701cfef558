-- Those of the given events that were taken back, and by which. Exact while their lanes are locked.
select reversals.lane, reversals.position, by_lane, by_position
from unnest($1::smallint[], $2::bigint[]) as asked (lane, position)
join reversals on reversals.lane = asked.lane and reversals.position = asked.position
