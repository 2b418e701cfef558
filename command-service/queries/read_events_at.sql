-- The events at the given positions, in the given order.
select
    events.lane, events.position, stream, version, type, schema_version, occurred_at, recorded_at,
    actor, correlation_id, causation_id, data::text as data, chain, traceparent, credential,
    subject, sealed, redacted, data_hash, personal_hash
from unnest($1::smallint[], $2::bigint[]) with ordinality as asked (lane, position, nth)
join events on events.lane = asked.lane and events.position = asked.position
order by asked.nth
