-- An event and its neighbours in the lane, one of which may be the other half of a move.
select
    lane, position, stream, version, type, schema_version, occurred_at, recorded_at,
    actor, correlation_id, causation_id, data::text as data, chain, traceparent, credential,
    subject, sealed, redacted, data_hash, personal_hash
from events
where lane = $1 and position between $2::bigint - 1 and $2::bigint + 1
order by position
