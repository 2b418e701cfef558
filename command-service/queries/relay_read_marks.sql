-- The relay mark of each lane; no row for a lane that was never published.
select lane, position
from relay_marks
