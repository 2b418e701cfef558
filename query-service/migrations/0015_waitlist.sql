-- Those who wait for stock: how much is asked for where, by whom and in which order.

do $$
declare
    version name;
begin
    for version in select nspname from pg_namespace where nspname ~ '^stock_v[0-9]+$' loop
        -- Nobody waited before there was a waitlist.
        execute format(
            'alter table %I.stock_levels add column waiting bigint not null default 0', version
        );
        execute format(
            'alter table %I.stock_totals add column waiting numeric not null default 0', version
        );
        execute format(
            'alter table %I.movements
                add column waiting bigint not null default 0,
                add column waiting_delta bigint not null default 0',
            version
        );
        execute format(
            'alter table %I.reservations
                -- When it stops, or would have stopped, waiting; null if it never waited.
                add column wait_until timestamptz,
                -- 0 to 9; the higher is filled first.
                add column priority smallint',
            version
        );
        -- A version that is being filled gets its indexes when it is full.
        if to_regclass(format('%I.movements_by_pair', version)) is not null then
            execute format('drop index %I.movements_by_pair', version);
            execute format(
                'create index movements_by_pair on %I.movements (sku, location, position)
                    include (
                        occurred_at, recorded_at, type,
                        on_hand_delta, reserved_delta, allocated_delta, incoming_delta, waiting_delta
                    )',
                version
            );
        end if;
        -- What still waits for a pair, by reservation: sums, read from the index alone.
        execute format(
            'create index movements_by_waiting
                on %I.movements (sku, location, reservation, reservation_line, position)
                include (waiting_delta)
                where waiting_delta <> 0',
            version
        );
        -- The lines of reservations that wait now. A row is written from the stock''s own stream only.
        execute format(
            'create table %I.waitlist (
                -- The position of the event that it waits since, and when that was recorded.
                since bigint not null,
                position bigint not null,
                version bigint not null,
                -- In base units, positive.
                waiting bigint not null,
                line bigint not null,
                since_at timestamptz not null,
                wait_until timestamptz not null,
                updated_at timestamptz not null,
                lane smallint not null,
                -- 9 less the priority: the queue of a pair is ordered by (turn, since).
                turn smallint not null,
                reservation text collate "C" not null,
                owner text collate "C" not null,
                sku text collate "C" not null,
                location text collate "C" not null,
                primary key (reservation, line)
            )',
            version
        );
        -- Lists are in the order of the queues: (sku, location, turn, since).
        execute format(
            'create index waitlist_by_turn on %I.waitlist (sku, location, turn, since)', version
        );
        execute format(
            'create index waitlist_by_location on %I.waitlist (location, sku, turn, since)', version
        );
        execute format(
            'create index waitlist_by_owner on %I.waitlist (owner, sku, location, turn, since)', version
        );
        execute format(
            'grant select, insert, update, delete on %I.waitlist to stockbook_query', version
        );
    end loop;
end
$$;

-- As before, with what is waiting. It names tables of whichever version the connection looks at, so they
-- are not looked up here.
set local check_function_bodies to off;

drop function public.figure_then(text, text, bigint, timestamptz);

create function public.figure_then(text, text, bigint, timestamptz)
returns table (
    on_hand numeric,
    reserved numeric,
    allocated numeric,
    available numeric,
    incoming numeric,
    waiting numeric,
    -- How many events those are.
    version bigint,
    -- The last of them, and when it was recorded.
    "position" bigint,
    updated_at timestamptz
)
language sql
stable
rows 1
as $$
    select *
    from (
        select
            last.on_hand::numeric, last.reserved::numeric, last.allocated::numeric,
            (last.on_hand - last.reserved - last.allocated)::numeric, last.incoming::numeric,
            last.waiting::numeric, last.version, last.position, last.recorded_at
        from movements as last
        where last.sku = $1 and last.location = $2 and last.position <= $3 and $4 is null
        order by last.position desc
        limit 1
    ) as balance
    union all
    select
        sum(one.on_hand_delta),
        sum(one.reserved_delta),
        sum(one.allocated_delta),
        sum(one.on_hand_delta - one.reserved_delta - one.allocated_delta),
        sum(one.incoming_delta),
        sum(one.waiting_delta),
        count(*),
        max(one.position),
        max(one.recorded_at)
    from movements as one
    where one.sku = $1 and one.location = $2 and one.occurred_at <= $4 and one.position <= $3
    having count(*) > 0
$$;

grant execute on function public.figure_then to stockbook_query;

-- The place of a line in the queue of its pair, from 1: how many are before it. Read from an index alone.
create function public.place_in_queue(sku text, location text, turn smallint, since bigint)
returns bigint
language sql
stable
as $$
    select count(*) + 1
    from waitlist as before
    where before.sku = $1 and before.location = $2 and (before.turn, before.since) < ($3, $4)
$$;

grant execute on function public.place_in_queue to stockbook_query;
