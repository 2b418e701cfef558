-- Appends events, as many as the arrays are long.
insert into events (
    lane, position, stream, version, type, schema_version, occurred_at, recorded_at,
    correlation_id, data, data_hash, chain
)
select
    lane, position, stream, position, 'StockReceived', 1, now(), now(),
    correlation_id, data::json, $6, $6
from unnest($1::smallint[], $2::bigint[], $3::text[], $4::text[], $5::text[])
    as event (lane, position, stream, correlation_id, data)
