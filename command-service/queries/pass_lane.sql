-- Waits until nobody holds the lane, then lets it go again.
select lane
from lanes
where lane = $1
for share
