-- The checkpoint of a version of a projection in one lane ($3).
select position, chain
from checkpoints
where projection = $1 and version = $2 and lane = $3
