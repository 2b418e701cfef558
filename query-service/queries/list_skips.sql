-- The positions of a lane ($3) that a version of a projection has skipped.
select position
from skipped_events
where projection = $1 and version = $2 and lane = $3
