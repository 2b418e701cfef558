-- Holds the checkpoints of a version where they are, to the end of the transaction, and says where
-- that is.
select lane, position
from checkpoints
where projection = $1 and version = $2
order by lane
for share
