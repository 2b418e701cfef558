-- How far each lane is known to be on Kafka; a lane without a row was never published.
select lane, position
from relay_marks
