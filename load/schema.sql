-- Events as in the log, without its guards: the least that storing them costs.
create table events (
    lane smallint not null,
    position bigint not null,
    stream text collate "C" not null,
    version bigint not null,
    type text collate "C" not null,
    schema_version smallint not null,
    occurred_at timestamptz not null,
    recorded_at timestamptz not null,
    correlation_id text collate "C" not null,
    data json not null,
    data_hash bytea not null,
    chain bytea not null,
    primary key (lane, position),
    unique (stream, version)
);
