-- Locks the checkpoints of a version until the end of the transaction and returns them.
select lane, position
from checkpoints
where projection = $1 and version = $2
order by lane
for share
