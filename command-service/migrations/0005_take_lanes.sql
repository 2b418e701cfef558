-- What every batch begins with, in one call: on a quiet machine its round trips cost more than its work.

-- The database's clock and the last event of each given lane, nothing for an empty lane; one row
-- without a lane where none is given.
create function read_heads(lanes smallint[])
returns table (
    lane smallint,
    "position" bigint,
    chain bytea,
    recorded_at timestamptz,
    now timestamptz
)
language sql
stable
as $$
    select
        asked.lane,
        head.position,
        head.chain,
        head.recorded_at,
        clock_timestamp()
    from (select) as always
    left join unnest($1) as asked (lane) on true
    left join lateral (
        select events.position, events.chain, events.recorded_at
        from events
        where events.lane = asked.lane
        order by events.position desc
        limit 1
    ) as head on true
$$;

-- Takes the locks of the given keys where they are free, never waiting, and then locks lanes in
-- ascending order until the transaction ends: each that is needed without a key, or with one that was
-- taken (needed_lanes and needed_keys stand side by side). Tells the keys that somebody else holds and
-- the heads of the lanes that are locked: exact, for a statement of a volatile function sees what was
-- committed before it began, so after the locks were waited for.
create function take_lanes(keys bigint[], needed_lanes smallint[], needed_keys bigint[])
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
    locked smallint[];
begin
    held := array(
        select key
        from unnest(keys) as key
        where not pg_try_advisory_xact_lock(key)
    );
    locked := array(
        select lanes.lane
        from lanes
        where lanes.lane in (
            select needed.lane
            from unnest(needed_lanes, needed_keys) as needed (lane, key)
            where needed.key is null or needed.key <> all (held)
        )
        order by lanes.lane
        for update
    );
    return query select held, head.* from read_heads(locked) as head;
end
$$;

grant execute on function read_heads, take_lanes to stockbook_command;
