-- What the past is read from: every answer about `then` is an index look-up or a sum over an index,
-- never a fold of events.

-- The version of the stream stock/{sku}/{location} after the change, which for earlier rows is their
-- place among the rows of the pair.
alter table stock_v1.movements add column version bigint;

update stock_v1.movements
set version = counted.version
from (
    select lane, position, row_number() over (partition by sku, location order by position) as version
    from stock_v1.movements
) as counted
where movements.lane = counted.lane and movements.position = counted.position;

alter table stock_v1.movements
    alter column version set not null,
    -- The reservation and its line that a hold or a promise is for. Null in other rows, and in those
    -- that were written before this column was there, until the projection is filled anew.
    add column reservation text collate "C",
    add column reservation_line bigint,
    -- When the hold ends after the change, where it says so.
    add column expires_at timestamptz;

-- The figures at a position stand in the last row at or before it.
create index movements_by_pair on stock_v1.movements (sku, location, position);

-- The figures at a moment by occurred_at are a sum, read from the index alone.
create index movements_by_occurrence on stock_v1.movements (sku, location, occurred_at)
    include (position, on_hand_delta, reserved_delta, allocated_delta, recorded_at, type);

-- What is still held or promised of a pair, by whom: sums, read from the index alone.
create index movements_by_reservation
    on stock_v1.movements (sku, location, reservation, reservation_line, position)
    include (reserved_delta, allocated_delta, expires_at)
    where reservation is not null;

-- The index by time alone is for lists without a filter on a value, which say `position > 0`. With one,
-- Postgres would take it for values that are frequent, and go through all that is newer where they
-- have not been frequent of late.
drop index stock_v1.movements_by_time;
create index movements_by_time on stock_v1.movements (recorded_at, lane, position)
    where position > 0;

-- The names that items and locations have had, so that an answer about then tells the name of then,
-- and does not know what was registered only later.
create table stock_v1.names (
    position bigint not null,
    lane smallint not null,
    -- item/{sku} or location/{code}.
    stream text collate "C" not null,
    name text not null,
    primary key (stream, position)
);

-- What was described once was named so from there on. What was described more often is taken to
-- have been there always, as it was last described, until the projection is filled anew.
insert into stock_v1.names (stream, position, lane, name)
select 'item/' || sku, case when version = 1 then position else 0 end, lane, name
from stock_v1.items
union all
select 'location/' || code, case when version = 1 then position else 0 end, lane, name
from stock_v1.locations;

-- The figures of a pair ($1, $2) as its first events up to the position $3 made them: the balance
-- after the last of them; or, with a moment $4, the sum of those that had happened by then, however
-- late they were recorded. No row where there are none. It reads the tables of the version that the
-- connection looks at, and is written so that Postgres makes it a part of the statement around it.
set local search_path to stock_v1, public;

create function public.figure_then(text, text, bigint, timestamptz)
returns table (
    on_hand bigint,
    reserved bigint,
    allocated bigint,
    available bigint,
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
            last.on_hand, last.reserved, last.allocated,
            last.on_hand - last.reserved - last.allocated,
            last.version, last.position, last.recorded_at
        from movements as last
        where last.sku = $1 and last.location = $2 and last.position <= $3 and $4 is null
        order by last.position desc
        limit 1
    ) as balance
    union all
    select
        sum(one.on_hand_delta)::bigint,
        sum(one.reserved_delta)::bigint,
        sum(one.allocated_delta)::bigint,
        sum(one.on_hand_delta - one.reserved_delta - one.allocated_delta)::bigint,
        count(*),
        max(one.position),
        max(one.recorded_at)
    from movements as one
    where one.sku = $1 and one.location = $2 and one.occurred_at <= $4 and one.position <= $3
    having count(*) > 0
$$;

set local search_path to default;

grant select, insert, update, delete on stock_v1.names to stockbook_query;
grant execute on function public.figure_then to stockbook_query;
