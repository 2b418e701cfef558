-- The whole histories of the given streams, each in order.
select stream, version, type, schema_version, data::text as data
from events
where stream = any($1)
order by stream, version
