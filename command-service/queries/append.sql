-- Appends a batch if the log is as the batch expects, and otherwise writes nothing and says why. It waits for
-- nobody. It asks, in this order:
--   every key is free and has no outcome ($2);
--   every lane is free: an append holds an advisory lock on each lane that decided it (class 8266);
--   every lane ends with the expected event: the row (lane, position) has the chain, and none follows it.
--   Where the batch appends ($1), a row that follows and is newer than this statement's snapshot makes the
--   primary key refuse it. Where it does not ($9), the search has a snapshot that follows the locks;
--   the batch's first and last times ($3, $4) are less than a tenth of a second off the clock, unless the
--   lanes were locked before those times (nulls). Readers of a moment rely on this: a tenth of a second
--   after it, an append at or before it holds its locks or has ended.
-- Next to the events stand their credentials ($10), and the subjects and boxes of personal data ($11, $12). A
-- list that is short stands for nulls.
with lanes_locked as materialized (
    select coalesce(bool_and(pg_try_advisory_xact_lock(8266, expected.lane)), true) as are_free
    from unnest($1::lane_head[] || $9::lane_head[]) as expected
), keys_claimed as materialized (
    select case when cardinality($2::key_claim[]) = 0 then '{}' else claim_keys($2) end as busy
), proof as materialized (
    select
        lanes_locked.are_free,
        keys_claimed.busy,
        clock_timestamp() as clock,
        (cardinality($9::lane_head[]) = 0 or are_heads($9::lane_head[])) and not exists (
            select from unnest($1::lane_head[]) as expected
            where coalesce(
                (
                    select string_agg(found.chain, '')
                    from events as found
                    where found.lane = expected.lane
                        and found.position between expected.position and expected.position + 1
                ),
                decode(repeat('00', 32), 'hex')
            ) <> expected.chain
        ) as are_heads
    from lanes_locked, keys_claimed
), verdict as materialized (
    select
        case
            when busy <> '{}' then 'key_busy'
            when busy is null then 'key_used'
            when not are_free then 'lane_busy'
            when not are_heads then 'head_moved'
            when $3::timestamptz <= clock - interval '100 milliseconds' then 'late'
            when $4::timestamptz >= clock + interval '100 milliseconds' then 'early'
        end as conflict,
        busy,
        clock
    from proof
), appended as (
    insert into events (
        lane, position, stream, version, type, schema_version, occurred_at, recorded_at, actor,
        correlation_id, causation_id, data, data_hash, chain, traceparent, caller, idempotency_key,
        request_hash, command_lanes, command_positions, command_sizes, credential, subject,
        sealed
    )
    select
        lane, position, stream, version, type, schema_version, occurred_at, recorded_at, actor,
        correlation_id, causation_id, data::json, data_hash, chain, traceparent, caller, idempotency_key,
        request_hash, command_lanes, command_positions, command_sizes, credential, subject,
        sealed
    from unnest($5::new_event[], $10::text[], $11::text[], $12::text[]) as event (
        lane, position, stream, version, type, schema_version, occurred_at, recorded_at, actor,
        correlation_id, causation_id, data, data_hash, chain, traceparent, caller, idempotency_key,
        request_hash, command_lanes, command_positions, command_sizes, credential, subject,
        sealed
    )
    where (select conflict from verdict) is null
), ended as (
    delete from deadlines
    using unnest($6::new_deadline[]) as ended
    where deadlines.stream = ended.stream
        and deadlines.what = ended.what
        and ended.due_at is null
        and (select conflict from verdict) is null
), due as (
    insert into deadlines (stream, what, due_at)
    select stream, what, due_at
    from unnest($6::new_deadline[])
    where due_at is not null and (select conflict from verdict) is null
    on conflict (stream, what) do update set due_at = excluded.due_at
), stored as (
    insert into commands (caller, key, request_hash, outcome, recorded_at)
    select caller, key, request_hash, outcome::json, recorded_at
    from unnest($7::new_outcome[])
    where (select conflict from verdict) is null
), reversed as (
    insert into reversals (lane, position, by_lane, by_position, reversal)
    select lane, position, by_lane, by_position, reversal
    from unnest($8::new_reversal[])
    where (select conflict from verdict) is null
)
select conflict, busy, clock
from verdict
