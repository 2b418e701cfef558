-- Why an operator had an event skipped, in whichever version of the projection; no row if nobody did.
select reason
from skipped_events
where projection = $1 and lane = $2 and position = $3
order by skipped_at
limit 1
