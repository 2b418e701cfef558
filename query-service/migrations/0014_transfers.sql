-- Goods on their way between locations: how much is incoming where, and the transfers.

do $$
declare
    version name;
begin
    for version in select nspname from pg_namespace where nspname ~ '^stock_v[0-9]+$' loop
        -- Nothing was on its way before there were transfers.
        execute format(
            'alter table %I.stock_levels add column incoming bigint not null default 0', version
        );
        execute format(
            'alter table %I.stock_totals add column incoming numeric not null default 0', version
        );
        execute format(
            'alter table %I.movements
                add column incoming bigint not null default 0,
                add column incoming_delta bigint not null default 0,
                -- The transfer and its line that a change is for.
                add column transfer text collate "C",
                add column transfer_line bigint',
            version
        );
        -- A version that is being filled gets its indexes when it is full.
        if to_regclass(format('%I.movements_by_pair', version)) is not null then
            execute format('drop index %I.movements_by_pair', version);
            execute format(
                'create index movements_by_pair on %I.movements (sku, location, position)
                    include (
                        occurred_at, recorded_at, type,
                        on_hand_delta, reserved_delta, allocated_delta, incoming_delta
                    )',
                version
            );
        end if;
        -- What is still on its way to a pair, by transfer: sums, read from the index alone.
        execute format(
            'create index movements_by_transfer
                on %I.movements (sku, location, transfer, transfer_line, position)
                include (incoming_delta)
                where transfer is not null',
            version
        );
        -- Transfers, as they stand after their last step. A row is written from the transfer''s own stream
        -- only; what a step does to the figures comes from the stock streams, perhaps in other lanes.
        execute format(
            'create table %I.transfers (
                position bigint not null,
                version bigint not null,
                updated_at timestamptz not null,
                -- When it was dispatched.
                made_at timestamptz not null,
                -- When all of it should be there, if that was said.
                expected_at timestamptz,
                lane smallint not null,
                overdue boolean not null,
                id text collate "C" primary key,
                -- in_transit, partially_received, received, closed or returned.
                status text collate "C" not null,
                reference_type text collate "C",
                reference_id text collate "C",
                reference_line text collate "C",
                -- What it is of: a list of {line, sku, from, to, quantity, received, lost, returned}.
                lines json not null,
                line_count integer not null generated always as (json_array_length(lines)) stored
            )',
            version
        );
        -- Lists run from the newest to the oldest by (made_at, id), which never change; each filter has an
        -- index that ends in that order.
        execute format('create index transfers_by_time on %I.transfers (made_at, id)', version);
        execute format('create index transfers_by_status on %I.transfers (status, made_at, id)', version);
        execute format('create index transfers_by_overdue on %I.transfers (overdue, made_at, id)', version);
        execute format(
            'create index transfers_by_reference on %I.transfers (
                (reference_type || ''/'' || reference_id), made_at, id
            ) where reference_id is not null',
            version
        );
        -- The locations that a transfer leaves and goes to, each once; its lines never change.
        execute format(
            'create table %I.transfer_places (
                made_at timestamptz not null,
                lane smallint not null,
                -- Whether it leaves there; else it goes there.
                leaves boolean not null,
                id text collate "C" not null,
                location text collate "C" not null,
                primary key (id, leaves, location)
            )',
            version
        );
        execute format(
            'create index transfer_places_by_location
                on %I.transfer_places (leaves, location, made_at, id)',
            version
        );
        execute format(
            'grant select, insert, update, delete on %I.transfers, %I.transfer_places to stockbook_query',
            version, version
        );
    end loop;
    for version in select nspname from pg_namespace where nspname ~ '^daily_flow_v[0-9]+$' loop
        -- What left on transfers, negative, and what came in or came back. What is lost does not come in.
        execute format('alter table %I.days drop column net', version);
        execute format('alter table %I.days add column transferred numeric not null default 0', version);
        execute format(
            'alter table %I.days add column net numeric not null
                generated always as (incoming - outgoing + returned + adjusted + transferred) stored',
            version
        );
    end loop;
end
$$;

-- Alerts about overdue transfers on their way to Kafka. A row goes when the brokers have acknowledged it.
create table overdue_outbox (
    lane smallint not null,
    position bigint not null,
    recorded_at timestamptz not null,
    expected_at timestamptz not null,
    transfer text collate "C" not null,
    reference_type text collate "C",
    reference_id text collate "C",
    reference_line text collate "C",
    primary key (lane, position)
);

grant select, insert, update, delete on overdue_outbox to stockbook_query;

-- As before, with what is incoming. It names tables of whichever version the connection looks at, so they
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
            last.version, last.position, last.recorded_at
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
        count(*),
        max(one.position),
        max(one.recorded_at)
    from movements as one
    where one.sku = $1 and one.location = $2 and one.occurred_at <= $4 and one.position <= $3
    having count(*) > 0
$$;

grant execute on function public.figure_then to stockbook_query;
