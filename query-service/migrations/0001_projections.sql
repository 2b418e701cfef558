-- What every projection needs, whichever views it keeps. All of it can be thrown away and made
-- again from the log.

-- Which lane each slot of partition keys belongs to; the same map as the log's, filled by `migrate`
-- with the number of lanes it is given, and never changed afterwards.
create table slots (
    slot smallint primary key check (slot between 0 and 1023),
    lane smallint not null check (lane between 0 and 1023)
);

-- Which version of a projection answers queries. The tables of version n live in the schema
-- {name}_v{n}, so that a new version can be filled beside the one that answers.
create table projections (
    name text collate "C" primary key,
    active_version smallint not null check (active_version > 0)
);

-- How far a projection has applied each lane. A row changes in the same transaction as the views,
-- and only from the position it is expected to have: so nothing is applied twice, whoever tries.
create table checkpoints (
    projection text collate "C" not null,
    version smallint not null,
    lane smallint not null,
    -- The last applied position; 0 stands before the first.
    position bigint not null check (position >= 0),
    -- The chain after that position; 32 zero bytes before the first.
    chain bytea not null check (length(chain) = 32),
    -- Where Kafka should go on; a hint for people, since the position decides. Null until a record
    -- came by Kafka.
    kafka_offset bigint,
    applied_at timestamptz not null default clock_timestamp(),
    primary key (projection, version, lane)
)
-- A few hot rows: room on the page keeps their updates away from the index.
with (fillfactor = 10);

-- Lanes that a projection has stopped at, because their next event cannot be applied. The row goes
-- when the lane goes on.
create table stopped_lanes (
    projection text collate "C" not null,
    version smallint not null,
    lane smallint not null,
    -- The event's id, or where it was met if it could not even be read.
    event text not null,
    error text not null,
    stopped_at timestamptz not null default clock_timestamp(),
    primary key (projection, version, lane)
);

grant select on slots, projections to stockbook_query;
grant select, update on checkpoints to stockbook_query;
grant select, insert, update, delete on stopped_lanes to stockbook_query;
