-- The checkpoints of a version of a projection.
select lane, position, chain
from checkpoints
where projection = $1 and version = $2
