-- Takes events as lines of text.
copy events (
    lane, position, stream, version, type, schema_version, occurred_at, recorded_at,
    correlation_id, data, data_hash, chain
) from stdin
