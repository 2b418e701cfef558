-- How far a version of a projection has applied every lane.
select lane, position, chain
from checkpoints
where projection = $1 and version = $2
