-- At most $2 events of a correlation, without reversing events.
select
    lane, position, stream, version, type, schema_version, occurred_at, recorded_at,
    actor, correlation_id, causation_id, data::text as data, chain, traceparent, credential,
    subject, sealed, redacted, data_hash, personal_hash
from events
where correlation_id = $1 and type <> 'StockReversed'
order by lane, position
limit $2
