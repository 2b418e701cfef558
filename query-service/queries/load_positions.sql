-- The checkpoint positions of a version of a projection.
select lane, position
from checkpoints
where projection = $1 and version = $2
