-- At most $2 events of a reversal.
select
    events.lane, events.position, stream, version, type, schema_version, occurred_at, recorded_at,
    actor, correlation_id, causation_id, data::text as data, chain, traceparent, credential,
    subject, sealed, redacted, data_hash, personal_hash
from reversals
join events on events.lane = reversals.by_lane and events.position = reversals.by_position
where reversals.reversal = $1
order by events.lane, events.position
limit $2
