-- Appends events at the positions given. The writer holds the rows of all their lanes locked; the
-- primary key and events_stream_version refuse whatever does not follow on what is there.
insert into events (
    lane, position, stream, version, type, schema_version, occurred_at, recorded_at,
    actor, correlation_id, causation_id, data, data_hash, chain, traceparent,
    caller, idempotency_key, request_hash, command_lanes, command_positions, command_sizes
)
select
    lane, position, stream, version, type, schema_version, occurred_at, $8,
    actor, correlation_id, causation_id, data::json, data_hash, chain, traceparent,
    caller, idempotency_key, request_hash, command_lanes::smallint[], command_positions::bigint[],
    command_sizes::integer[]
from unnest(
    $1::smallint[], $2::bigint[], $3::text[], $4::bigint[], $5::text[], $6::smallint[],
    $7::timestamptz[], $9::text[], $10::text[], $11::text[], $12::text[], $13::bytea[],
    $14::bytea[], $15::text[], $16::text[], $17::text[], $18::bytea[], $19::text[], $20::text[],
    $21::text[]
) as event (
    lane, position, stream, version, type, schema_version,
    occurred_at, actor, correlation_id, causation_id, data, data_hash,
    chain, traceparent, caller, idempotency_key, request_hash, command_lanes, command_positions,
    command_sizes
)
