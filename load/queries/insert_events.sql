-- Appends generated events to a bare table, from one position to another.
insert into events (
    lane, position, stream, version, type, schema_version, occurred_at, recorded_at,
    correlation_id, data, data_hash, chain
)
select
    n % 16, n,
    -- Far apart from row to row, as requests over all items are.
    format('stock/sku-%s/MAIN', lpad((n * 7919 % 10000)::text, 5, '0')),
    n, 'StockReceived', 1, now(), now(),
    format('019ab3c4-d5e6-7f80-9a1b-%s', lpad(to_hex(n), 12, '0')),
    $3::json, $4, $4
from generate_series($1::bigint, $2::bigint) as n
