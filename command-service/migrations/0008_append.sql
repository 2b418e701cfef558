-- The rows of an append, one type each, so that a batch is a few arrays of rows (queries/append.sql); and
-- the claim of keys, which needs a snapshot that is newer than its locks.
--
-- The functions of earlier versions go: they locked rows of `lanes`, and appends now hold advisory locks,
-- so the two would not wait for each other. A service of an earlier version writes nothing after this.
drop function append_foreseen;
drop function append_batch;
drop function take_lanes;

-- The last event of a lane; position 0 and 32 zeros for an empty lane.
create type lane_head as (
    lane smallint,
    "position" bigint,
    chain bytea
);

-- An idempotency key and the number of its advisory lock.
create type key_claim as (
    lock bigint,
    caller text,
    key text
);

-- A row of `events`; json and lists as their texts.
create type new_event as (
    lane smallint,
    "position" bigint,
    stream text,
    version bigint,
    type text,
    schema_version smallint,
    occurred_at timestamptz,
    recorded_at timestamptz,
    actor text,
    correlation_id text,
    causation_id text,
    data text,
    data_hash bytea,
    chain bytea,
    traceparent text,
    caller text,
    idempotency_key text,
    request_hash bytea,
    command_lanes smallint[],
    command_positions bigint[],
    command_sizes integer[]
);

-- When a stream is due, and for what. Without a time: it is not due any more.
create type new_deadline as (
    stream text,
    what text,
    due_at timestamptz
);

-- A row of `commands`: an outcome without events.
create type new_outcome as (
    caller text,
    key text,
    request_hash bytea,
    outcome text,
    recorded_at timestamptz
);

-- A row of `reversals`.
create type new_reversal as (
    lane smallint,
    "position" bigint,
    by_lane smallint,
    by_position bigint,
    reversal text
);

-- Takes the locks of keys until the transaction ends, without waiting. Returns the locks that another
-- transaction holds; null if all were free and a key has an outcome already. The search is a statement
-- that follows the locks, so it sees every outcome that was stored under them before.
create function claim_keys(keys key_claim[])
returns bigint[]
language plpgsql
volatile
as $$
declare
    busy bigint[];
begin
    busy := array(select lock from unnest(keys) where not pg_try_advisory_xact_lock(lock));
    if cardinality(busy) = 0 and (
        exists (
            select from unnest(keys) as claim
            join events on events.caller = claim.caller and events.idempotency_key = claim.key
        )
        or exists (
            select from unnest(keys) as claim
            join commands on commands.caller = claim.caller and commands.key = claim.key
        )
    ) then
        return null;
    end if;
    return busy;
end
$$;

-- Whether lanes end with these events: the row (lane, position) has the chain, and none follows it. Sees
-- what was committed before it began, so also what came after the snapshot of the statement that calls it.
create function are_heads(expected lane_head[])
returns boolean
language plpgsql
volatile
as $$
begin
    return not exists (
        select from unnest(expected) as head
        where coalesce(
            (
                select string_agg(found.chain, '')
                from events as found
                where found.lane = head.lane
                    and found.position between head.position and head.position + 1
            ),
            decode(repeat('00', 32), 'hex')
        ) <> head.chain
    );
end
$$;

-- Takes the locks of keys, without waiting. If all are free, waits for the locks of lanes in the given
-- order, which must ascend, and returns the lanes' last events and the database's clock: exact, for they
-- are read by a statement that follows the locks. Otherwise returns the locks of keys that another
-- transaction holds. Locks are held until the transaction ends.
create function hold_lanes(keys bigint[], lanes smallint[])
returns table (
    busy bigint[],
    lane smallint,
    "position" bigint,
    chain bytea,
    recorded_at timestamptz,
    now timestamptz
)
language plpgsql
volatile
as $$
#variable_conflict use_column
declare
    held bigint[];
begin
    held := array(
        select asked.key
        from unnest(keys) as asked (key)
        where not pg_try_advisory_xact_lock(asked.key)
    );
    if cardinality(held) > 0 then
        lanes := '{}';
    end if;
    perform pg_advisory_xact_lock(8266, asked.lane) from unnest(lanes) as asked (lane);
    return query select held, head.* from read_heads(lanes) as head;
end
$$;

grant execute on function claim_keys, are_heads, hold_lanes to stockbook_command;
