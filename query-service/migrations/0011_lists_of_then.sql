-- What lists need: one rule for what is low, the reorder points and descriptions of the past, and
-- documents found by their full text.

-- Whether so much available is low at a reorder point; at 0 it never is.
create function public.is_low(available numeric, reorder_point bigint)
returns boolean
language sql
immutable
return reorder_point > 0 and available <= reorder_point;

do $$
declare
    version name;
    has_indexes boolean;
begin
    for version in select nspname from pg_namespace where nspname ~ '^stock_v[0-9]+$' loop
        -- A version that is being filled gets its indexes when it is full.
        has_indexes := to_regclass(format('%I.stock_levels_low', version)) is not null;

        -- The reorder points that items have had: of each, the last one holds. It is 0 from the
        -- retirement of the item on, for nobody reorders what is not traded.
        execute format(
            'create table %I.reorder_points (
                position bigint not null,
                reorder_point bigint not null,
                -- When it happened, by the event.
                occurred_at timestamptz not null,
                lane smallint not null,
                sku text collate "C" not null,
                primary key (sku, position)
            )',
            version
        );
        execute format(
            'grant select, insert, update, delete on %I.reorder_points to stockbook_query', version
        );
        -- What was described more often is taken to have been there always, as it was last described,
        -- until the projection is filled again.
        execute format(
            'insert into %1$I.reorder_points (position, reorder_point, occurred_at, lane, sku)
             select
                 case when version = 1 then position else 0 end,
                 reorder_point,
                 case when version = 1 then updated_at else ''-infinity'' end,
                 lane,
                 sku
             from %1$I.items
             union all
             select position, 0, updated_at, lane, sku from %1$I.items where retired',
            version
        );
        execute format(
            'update %1$I.stock_levels set reorder_point = 0
             from %1$I.items where items.retired and stock_levels.sku = items.sku',
            version
        );
        execute format('alter table %I.stock_levels drop column low', version);
        execute format(
            'alter table %I.stock_levels add column low boolean not null
                generated always as (
                    public.is_low(on_hand - reserved - allocated, reorder_point)
                ) stored',
            version
        );

        -- When each description happened. Of earlier rows only the last description has its time; the
        -- others get that of the stock event before them.
        execute format('alter table %I.names add column occurred_at timestamptz', version);
        execute format(
            'update %1$I.names set occurred_at = coalesce(
                 (select updated_at from %1$I.items where ''item/'' || sku = names.stream
                     and sku = substr(names.stream, 6) and items.position = names.position),
                 (select updated_at from %1$I.locations where ''location/'' || code = names.stream
                     and code = substr(names.stream, 10) and locations.position = names.position),
                 (select recorded_at from %1$I.movements
                     where movements.lane = names.lane and movements.position <= names.position
                     order by movements.position desc limit 1),
                 ''-infinity''
             )',
            version
        );
        execute format('alter table %I.names alter column occurred_at set not null', version);

        if has_indexes then
            execute format(
                'create index stock_levels_low on %I.stock_levels (sku, location) where low', version
            );
            -- A document is found by the text of its type and id with a slash between them, since the
            -- types of older events may have slashes too.
            execute format('drop index %I.movements_by_reference', version);
            execute format(
                'create index movements_by_reference on %I.movements (
                    (reference_type || ''/'' || reference_id), recorded_at, lane, position
                ) where reference_id is not null',
                version
            );
            execute format('drop index %I.reservations_by_reference', version);
            execute format(
                'create index reservations_by_reference on %I.reservations (
                    (reference_type || ''/'' || reference_id), made_at, id
                ) where reference_id is not null',
                version
            );
        end if;
    end loop;
end
$$;

-- It names tables of whichever version the connection looks at, so they are not looked up here.
set local check_function_bodies to off;

-- The reorder point of an item ($1) by its descriptions up to the position $2: the last of them; or,
-- with a moment $3, the last of those that had happened by then. Before its first description an item
-- counts as it was first described. It is written so that Postgres makes it a part of the statement
-- around it.
create function public.reorder_point_then(text, bigint, timestamptz)
returns table (reorder_point bigint)
language sql
stable
rows 1
as $$
    select coalesce(
        (
            select one.reorder_point
            from reorder_points as one
            where one.sku = $1 and one.position <= $2 and ($3 is null or one.occurred_at <= $3)
            order by one.position desc
            limit 1
        ),
        (
            select one.reorder_point
            from reorder_points as one
            where one.sku = $1 and one.position <= $2
            order by one.position
            limit 1
        ),
        0
    )
$$;

grant execute on function public.is_low, public.reorder_point_then to stockbook_query;
