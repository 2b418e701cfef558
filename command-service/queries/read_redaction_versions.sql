-- The last version of each of these streams ($1), with its name; no row for a stream without events.
select stream, max(version) as version
from events
where stream = any($1)
group by stream
