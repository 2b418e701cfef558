-- The events at the given places, in the order given.
select
    events.lane, events.position, stream, version, type, schema_version, occurred_at, recorded_at,
    actor, correlation_id, causation_id, data::text as data, chain, traceparent
from unnest($1::smallint[], $2::bigint[]) with ordinality as place (lane, position, nth)
join events on events.lane = place.lane and events.position = place.position
order by place.nth
