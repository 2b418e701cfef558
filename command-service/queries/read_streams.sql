-- The events of the given streams after the given versions, in the order of versions. Each stream is
-- ordered inside, by an index, so the result needs no sort.
select asked.stream, event.version, event.type, event.schema_version, event.occurred_at,
    event.data
from unnest($1::text[], $2::bigint[]) as asked (stream, version)
cross join lateral (
    select events.version, events.type, events.schema_version, events.occurred_at,
        events.data::text as data
    from events
    where events.stream = asked.stream and events.version > asked.version
    order by events.version
) as event
