-- Deadlines of more than one kind in one batch: transfers become overdue (deadlines.what is
-- overdue_transfer), as reservations expire. A service of before names one kind for all its streams.

-- Writes what a batch comes to: its events, at the positions given, and what is derived from them. The
-- rows of all their lanes are locked by this transaction; the primary key and events_stream_version
-- refuse whatever does not follow on what is there. Arrays of one kind stand side by side.
create or replace function append_batch(
    decided_at timestamptz,
    -- The events; an array that is short stands for nulls. The lists of an event's command are arrays of
    -- arrays, so they come as their texts.
    lanes smallint[],
    positions bigint[],
    streams text[],
    versions bigint[],
    types text[],
    schema_versions smallint[],
    occurred timestamptz[],
    recorded timestamptz[],
    actors text[],
    correlation_ids text[],
    causation_ids text[],
    payloads text[],
    data_hashes bytea[],
    chains bytea[],
    traceparents text[],
    callers text[],
    keys text[],
    request_hashes bytea[],
    lists_of_lanes text[],
    lists_of_positions text[],
    lists_of_sizes text[],
    -- When streams are due, and for what: a list with commas, one for each stream, or one for all. A
    -- stream without a time is not due any more.
    due_what text,
    due_streams text[],
    due_times timestamptz[],
    -- Outcomes that left no event.
    outcome_callers text[],
    outcome_keys text[],
    outcome_hashes bytea[],
    outcomes text[],
    -- States worth keeping, as of events that are in the log or among those above.
    fold smallint,
    state_streams text[],
    state_versions bigint[],
    states text[]
)
returns void
language plpgsql
volatile
as $$
#variable_conflict use_column
begin
    if cardinality(lanes) > 0 then
        insert into events (
            lane, position, stream, version, type, schema_version, occurred_at, recorded_at,
            actor, correlation_id, causation_id, data, data_hash, chain, traceparent,
            caller, idempotency_key, request_hash, command_lanes, command_positions, command_sizes
        )
        select
            lane, position, stream, version, type, schema_version, occurred_at, recorded_at,
            actor, correlation_id, causation_id, data::json, data_hash, chain, traceparent,
            caller, idempotency_key, request_hash, command_lanes::smallint[],
            command_positions::bigint[], command_sizes::integer[]
        from unnest(
            lanes, positions, streams, versions, types, schema_versions, occurred, recorded, actors,
            correlation_ids, causation_ids, payloads, data_hashes, chains, traceparents, callers, keys,
            request_hashes, lists_of_lanes, lists_of_positions, lists_of_sizes
        ) as event (
            lane, position, stream, version, type, schema_version, occurred_at, recorded_at, actor,
            correlation_id, causation_id, data, data_hash, chain, traceparent, caller, idempotency_key,
            request_hash, command_lanes, command_positions, command_sizes
        );
    end if;
    -- Each of the following is sorted by its key, so that two writers cannot deadlock.
    if cardinality(due_streams) > 0 then
        delete from deadlines
        using unnest(string_to_array(due_what, ','), due_streams, due_times)
            as deadline (what, stream, due_at)
        where deadlines.stream = deadline.stream
            and deadlines.what = coalesce(deadline.what, due_what)
            and deadline.due_at is null;
        insert into deadlines (stream, what, due_at)
        select stream, coalesce(what, due_what), due_at
        from unnest(string_to_array(due_what, ','), due_streams, due_times)
            as deadline (what, stream, due_at)
        where due_at is not null
        order by stream
        on conflict (stream, what) do update set due_at = excluded.due_at;
    end if;
    if cardinality(outcomes) > 0 then
        -- The primary key refuses a key that has an outcome already.
        insert into commands (caller, key, request_hash, outcome, recorded_at)
        select caller, key, request_hash, outcome::json, decided_at
        from unnest(outcome_callers, outcome_keys, outcome_hashes, outcomes)
            as outcome (caller, key, request_hash, outcome)
        order by caller, key;
    end if;
    if cardinality(states) > 0 then
        -- Only where there is no later one of the same log.
        insert into snapshots (stream, fold_version, version, chain, state, recorded_at)
        select events.stream, fold, events.version, events.chain, folded.state::json, decided_at
        from unnest(state_streams, state_versions, states) as folded (stream, version, state)
        join events on events.stream = folded.stream and events.version = folded.version
        order by events.stream
        on conflict (stream) do update
        set fold_version = excluded.fold_version,
            version = excluded.version,
            chain = excluded.chain,
            state = excluded.state,
            recorded_at = excluded.recorded_at
        where excluded.version >= snapshots.version
            or not exists (
                select from events
                where events.stream = snapshots.stream
                    and events.version = snapshots.version
                    and events.chain = snapshots.chain
            );
    end if;
end
$$;
