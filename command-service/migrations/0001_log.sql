-- The log: N lanes, each an ordered, gapless, append-only list of events.
--
-- Owned by the role that runs the migrations. The service connects as stockbook_command, which may
-- add to the log and never change it.

-- One row a lane. A row is only ever locked, never updated: whoever holds it may append to the lane,
-- and holds it until the commit, so commit order is position order.
create table lanes (
    lane smallint primary key check (lane between 0 and 1023)
);

-- Which lane each of the 1,024 slots of partition keys belongs to.
create table slots (
    slot smallint primary key check (slot between 0 and 1023),
    lane smallint not null references lanes
);

-- Every fact that ever happened.
create table events (
    -- Place in the log. Positions run 1, 2, 3 … in each lane without a gap. No foreign key: the
    -- writer holds the lane's row locked, and a check for each event would cost more than the event.
    lane smallint not null,
    position bigint not null check (position > 0),
    -- Place in its own history: 1, 2, 3 … in each stream.
    stream text collate "C" not null,
    version bigint not null check (version > 0),
    -- What happened. `data` is json, not jsonb: the bytes stay as they were written.
    type text collate "C" not null,
    schema_version smallint not null,
    -- When it happened as the caller says, and when it was written (never back within a lane).
    occurred_at timestamptz not null,
    recorded_at timestamptz not null,
    -- Opaque ids: who, what belongs together, what brought it about.
    actor text collate "C",
    correlation_id text collate "C" not null,
    causation_id text collate "C",
    data json not null,
    -- SHA-256 of the bytes of `data`, and the running chain over the lane (shared_events::chain).
    data_hash bytea not null check (length(data_hash) = 32),
    chain bytea not null check (length(chain) = 32),
    -- The trace it was made in (W3C Trace Context); outside the chain.
    traceparent text collate "C",
    -- Idempotency, on the first event of a command that came with a key: this event is the record
    -- of the command's outcome, which is rendered again from its events. All outside the chain.
    caller text collate "C",
    idempotency_key text collate "C",
    request_hash bytea,
    -- The events of that command in the order decided, where there is more than this one.
    command_lanes smallint[],
    command_positions bigint[],
    primary key (lane, position),
    constraint events_stream_version unique (stream, version),
    check ((idempotency_key is null) = (caller is null) and (idempotency_key is null) = (request_hash is null)),
    check ((command_lanes is null) = (command_positions is null))
);

-- One key, one accepted command: the last word, whatever the instances believe.
create unique index events_idempotency_key on events (caller, idempotency_key)
    where idempotency_key is not null;

-- Outcomes that left no event: refusals, and commands that found nothing to do. Stored so that a
-- repeated request gets the same bytes; purged by age.
create table commands (
    caller text collate "C" not null,
    key text collate "C" not null,
    -- SHA-256 over route and body of the request.
    request_hash bytea not null,
    -- What deciding returned, from which the answer is rendered again.
    outcome json not null,
    recorded_at timestamptz not null,
    primary key (caller, key)
);
create index commands_recorded_at on commands (recorded_at);

-- How far each lane is known to be on Kafka: everything up to here was acknowledged.
create table relay_marks (
    lane smallint primary key references lanes,
    position bigint not null default 0 check (position >= 0)
);

create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception 'events are append-only: % is refused', tg_op
        using errcode = 'insufficient_privilege';
end
$$;

create trigger events_are_append_only before update or delete on events
    for each row execute function refuse_change();
-- Row triggers do not see TRUNCATE.
create trigger events_are_never_truncated before truncate on events
    for each statement execute function refuse_change();

revoke all on all tables in schema public from public;
grant usage on schema public to stockbook_command;
grant select, insert on events to stockbook_command;
-- Locking a row asks for the right to update it.
grant select, update on lanes to stockbook_command;
grant select on slots to stockbook_command;
grant select, insert, delete on commands to stockbook_command;
grant select, insert, update on relay_marks to stockbook_command;
