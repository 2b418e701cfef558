-- Events of one lane from a position on, in order.
select
    lane, position, stream, version, type, schema_version, occurred_at, recorded_at,
    actor, correlation_id, causation_id, data::text as data, chain, traceparent, credential,
    subject, sealed, redacted, data_hash, personal_hash
from events
where lane = $1 and position >= $2
order by position
limit $3
