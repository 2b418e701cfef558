-- Why an operator had an event skipped, in any version of the projection; no row if it was not skipped.
select reason
from skipped_events
where projection = $1 and lane = $2 and position = $3
order by skipped_at
limit 1
