-- Waits until no other transaction holds the lane's lock.
select lane
from lanes
where lane = $1
for share
