-- The given events that are reversed, each with its reversing event. Exact while their lanes are locked.
select reversals.lane, reversals.position, by_lane, by_position
from unnest($1::smallint[], $2::bigint[]) as asked (lane, position)
join reversals on reversals.lane = asked.lane and reversals.position = asked.position
