-- The histories of the given streams, of each what comes after the version given with it, in order of
-- version. The order stands inside, for each stream by itself: nothing is gathered to be sorted.
select asked.stream, event.version, event.type, event.schema_version, event.data
from unnest($1::text[], $2::bigint[]) as asked (stream, version)
cross join lateral (
    select events.version, events.type, events.schema_version, events.data::text as data
    from events
    where events.stream = asked.stream and events.version > asked.version
    order by events.version
) as event
