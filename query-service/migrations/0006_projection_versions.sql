-- Several projections side by side, each in one or more versions.
--
-- A version is one filled set of a projection's tables: version n has the schema {name}_v{n}, its own
-- checkpoints and its own consumer group. The first is made by the migrations; a rebuild makes the
-- next one, fills it from the log, and makes it the one that answers (projections.active_version).
-- Migrations up to this one could name the schemas of version 1. A later one that changes tables of a
-- projection has to do so in the schema of every version that is listed here.

create table projection_versions (
    projection text collate "C" not null,
    version smallint not null check (version > 0),
    -- filling: a rebuild fills it, nobody else writes it, nothing answers from it.
    -- followed: the services keep it up to date.
    state text collate "C" not null check (state in ('filling', 'followed')),
    made_at timestamptz not null default clock_timestamp(),
    primary key (projection, version)
);

insert into projection_versions (projection, version, state)
select name, active_version, 'followed' from projections;

-- Since when the active version answers: its predecessor may be dropped only after every service has
-- noticed.
alter table projections
    add column active_since timestamptz not null default clock_timestamp(),
    -- The last version that was made, whether it is still there or not: no number is used twice.
    add column last_version smallint not null default 1;

-- Events that an operator has had skipped, because they could not be applied. Kept for ever: what a
-- view misses has to stay visible.
create table skipped_events (
    projection text collate "C" not null,
    version smallint not null,
    lane smallint not null,
    position bigint not null check (position > 0),
    -- The event's id, {lane}-{position}.
    event text collate "C" not null,
    -- Why the lane stood still, and why the operator let it pass.
    error text not null,
    reason text not null check (reason <> ''),
    skipped_at timestamptz not null default clock_timestamp(),
    primary key (projection, version, lane, position)
);

grant select on projection_versions, skipped_events to stockbook_query;

-- Makes the tables of a version after those of another, empty and with primary keys only: other
-- indexes are made when the tables are full.
create function copy_tables(source text, target text) returns void
language plpgsql as $$
declare
    made record;
begin
    execute format('create schema %I', target);
    for made in
        select c.oid, c.relname, pg_get_constraintdef(k.oid) as key
        from pg_class c
        join pg_constraint k on k.conrelid = c.oid and k.contype = 'p'
        where c.relnamespace = source::regnamespace and c.relkind = 'r'
    loop
        execute format(
            'create table %I.%I (like %I.%I including all excluding indexes)',
            target, made.relname, source, made.relname
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

-- Makes the indexes of a version after those of another, where it does not have them yet.
create function copy_indexes(source text, target text) returns void
language plpgsql as $$
declare
    definition text;
    made text;
begin
    for made in select tablename from pg_tables where schemaname = target loop
        for definition in
            select replace(indexdef, format(' ON %I.', source), format(' ON %I.', target))
            from pg_indexes
            where schemaname = source and tablename = made and indexname not in (
                select indexname from pg_indexes where schemaname = target
            )
        loop
            execute definition;
        end loop;
        execute format('analyze %I.%I', target, made);
    end loop;
end
$$;

-- How many rows a table has that were written from a lane, and the sum of their hashes.
create function checksum_rows(schema text, tab text, of_lane smallint)
returns table (count bigint, checksum numeric)
language plpgsql stable as $$
begin
    return query execute format(
        'select count(*), coalesce(sum(hashtextextended(t::text, 0)), 0) from %I.%I t where lane = $1',
        schema, tab
    ) using of_lane;
end
$$;

-- The first row of a lane that one of two versions of a table has and the other has not, with the
-- schema that has it.
create function first_difference(one text, other text, tab text, of_lane smallint)
returns table (schema text, found text)
language plpgsql stable as $$
begin
    return query execute format(
        'with a as (select t::text as r from %1$I.%3$I t where lane = $1),
              b as (select t::text as r from %2$I.%3$I t where lane = $1)
         (select %1$L::text, r from (select r from a except all select r from b) x)
         union all
         (select %2$L::text, r from (select r from b except all select r from a) y)
         order by 2, 1
         limit 1',
        one, other, tab
    ) using of_lane;
end
$$;

-- Removes the tables of a version.
create function drop_tables(target text) returns void
language plpgsql as $$
begin
    execute format('drop schema if exists %I cascade', target);
end
$$;

revoke execute on function copy_tables, copy_indexes, drop_tables from public;
