-- Events of one stream from a version on, in order.
select
    lane, position, stream, version, type, schema_version, occurred_at, recorded_at,
    actor, correlation_id, causation_id, data::text as data, chain, traceparent, credential,
    subject, sealed, redacted, data_hash, personal_hash
from events
where stream = $1 and version >= $2
order by version
limit $3
