-- Lets most changes of a figure stay on their page. An index on a value that changes with the figure makes
-- every change one of all indexes of the table, so lists find quantities by bands, which seldom change; and
-- pages keep room for the next version of their rows.

-- The band of an available quantity: 0 below 0, 1 at 0, then one for each power of two: 1, 2 to 3, 4 to 7 …
create function public.band(available bigint)
returns smallint
language sql
immutable
parallel safe
return width_bucket(
    available,
    '{0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536, 131072,
        262144, 524288, 1048576, 2097152, 4194304, 8388608, 16777216, 33554432, 67108864, 134217728,
        268435456, 536870912, 1073741824, 2147483648, 4294967296, 8589934592, 17179869184,
        34359738368, 68719476736, 137438953472, 274877906944, 549755813888, 1099511627776,
        2199023255552, 4398046511104, 8796093022208, 17592186044416, 35184372088832,
        70368744177664, 140737488355328, 281474976710656, 562949953421312, 1125899906842624,
        2251799813685248, 4503599627370496}'::bigint[]
)::smallint;

grant execute on function public.band to stockbook_query;

do $$
declare
    version name;
    has_indexes boolean;
begin
    for version in select nspname from pg_namespace where nspname ~ '^stock_v[0-9]+$' loop
        -- A version that is being filled gets its indexes when it is full.
        has_indexes := to_regclass(format('%I.stock_levels_by_available', version)) is not null;
        execute format('drop index if exists %I.stock_levels_by_available', version);
        execute format('alter table %I.stock_levels set (fillfactor = 60)', version);
        execute format('alter table %I.stock_totals set (fillfactor = 60)', version);
        execute format(
            'alter table %I.stock_levels add column band smallint not null
                generated always as (public.band(on_hand - reserved - allocated)) stored',
            version
        );
        if has_indexes then
            execute format(
                'create index stock_levels_by_band on %I.stock_levels (band, sku, location)', version
            );
        end if;
    end loop;
    for version in select nspname from pg_namespace where nspname ~ '^daily_flow_v[0-9]+$' loop
        execute format('alter table %I.items set (fillfactor = 60)', version);
        execute format('alter table %I.days set (fillfactor = 60)', version);
    end loop;
    for version in select nspname from pg_namespace where nspname ~ '^low_stock_v[0-9]+$' loop
        execute format('alter table %I.levels set (fillfactor = 60)', version);
    end loop;
end
$$;

-- As before, and with the room that the pages of the other version keep.
create or replace function copy_tables(source text, target text) returns void
language plpgsql as $$
declare
    made record;
begin
    execute format('create schema %I', target);
    for made in
        select
            c.oid,
            c.relname,
            pg_get_constraintdef(k.oid) as key,
            coalesce(' with (' || array_to_string(c.reloptions, ', ') || ')', '') as options
        from pg_class c
        join pg_constraint k on k.conrelid = c.oid and k.contype = 'p'
        where c.relnamespace = source::regnamespace and c.relkind = 'r'
    loop
        execute format(
            'create table %I.%I (like %I.%I including all excluding indexes)%s',
            target, made.relname, source, made.relname, made.options
        );
        execute format('alter table %I.%I add %s', target, made.relname, made.key);
    end loop;
    for made in
        select pg_get_functiondef(p.oid) as definition, p.proname, p.oid
        from pg_proc p
        where p.pronamespace = source::regnamespace
    loop
        execute replace(made.definition, source || '.', target || '.');
    end loop;
    execute format('grant usage on schema %I to stockbook_query', target);
    execute format(
        'grant select, insert, update, delete on all tables in schema %I to stockbook_query', target
    );
end
$$;
