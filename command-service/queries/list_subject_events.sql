-- At most $4 events with personal data of a subject, in the order of recording: in each lane those after a
-- position ($2, $3), or all.
select
    events.lane, events.position, stream, version, type, schema_version, occurred_at, recorded_at,
    actor, correlation_id, causation_id, data::text as data, chain, traceparent, credential,
    subject, sealed, redacted, data_hash, personal_hash
from events
left join unnest($2::smallint[], $3::bigint[]) as seen (lane, position) on seen.lane = events.lane
where events.subject = $1 and events.position > coalesce(seen.position, 0)
order by events.recorded_at, events.lane, events.position
limit $4
