-- The correlation of each of these streams that exists, which is that of its first event.
select stream, correlation_id
from events
where stream = any($1) and version = 1
