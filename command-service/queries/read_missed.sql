-- Events of several lanes ($1): in each from a position on ($2), and so many ($3); in the order of each lane.
select
    events.lane, events.position, events.stream, events.version, events.type, events.schema_version,
    events.occurred_at, events.recorded_at, events.actor, events.correlation_id, events.causation_id,
    events.data::text as data, events.chain, events.traceparent, events.credential,
    events.subject, events.sealed, events.redacted, events.data_hash, events.personal_hash
from unnest($1::smallint[], $2::bigint[], $3::bigint[]) as missed (lane, first, count)
join events on events.lane = missed.lane
    and events.position >= missed.first
    and events.position < missed.first + missed.count
order by events.lane, events.position
