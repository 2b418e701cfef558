-- Version 1 of the projection `stock`: what there is, where, and how it came to be so.
--
-- A row is written from one lane only (all that concerns one sku stands in one lane) and carries
-- the position of the event that last wrote it, so an older write never replaces a newer one.
-- Amounts are in base units of the item. Names and keys compare by bytes (`collate "C"`).

create schema stock_v1;

-- The items, as last described.
create table stock_v1.items (
    position bigint not null,
    version bigint not null,
    updated_at timestamptz not null,
    reorder_point bigint not null,
    lane smallint not null,
    scale smallint not null,
    sku text collate "C" primary key,
    name text not null,
    unit text collate "C" not null,
    metadata json not null
);

-- The locations, as last described.
create table stock_v1.locations (
    position bigint not null,
    version bigint not null,
    updated_at timestamptz not null,
    lane smallint not null,
    code text collate "C" primary key,
    name text not null,
    kind text collate "C",
    metadata json not null
);

-- The figures of every pair of sku and location that has a history.
create table stock_v1.stock_levels (
    on_hand bigint not null,
    reserved bigint not null,
    allocated bigint not null,
    available bigint not null generated always as (on_hand - reserved - allocated) stored,
    -- The item's, kept here too, so that "low" is a condition on one table.
    reorder_point bigint not null,
    -- The version of the stream stock/{sku}/{location}.
    version bigint not null,
    position bigint not null,
    updated_at timestamptz not null,
    lane smallint not null,
    low boolean not null
        generated always as (reorder_point > 0 and on_hand - reserved - allocated <= reorder_point) stored,
    sku text collate "C" not null,
    location text collate "C" not null,
    primary key (sku, location)
);

-- Lists run in the order (sku, location); each filter has an index in that order.
create index stock_levels_by_location on stock_v1.stock_levels (location, sku);
create index stock_levels_by_available on stock_v1.stock_levels (available, sku, location);
create index stock_levels_low on stock_v1.stock_levels (sku, location) where low;

-- The figures of every sku that has a history, over all its locations.
create table stock_v1.stock_totals (
    on_hand bigint not null,
    reserved bigint not null,
    allocated bigint not null,
    available bigint not null generated always as (on_hand - reserved - allocated) stored,
    -- The sum of the versions of the sku's stock streams.
    version bigint not null,
    position bigint not null,
    updated_at timestamptz not null,
    lane smallint not null,
    sku text collate "C" primary key
);

-- Every change of stock, one row per event, with the figures after it. What was before is the
-- figure after minus its delta.
create table stock_v1.movements (
    position bigint not null,
    recorded_at timestamptz not null,
    occurred_at timestamptz not null,
    on_hand bigint not null,
    on_hand_delta bigint not null,
    reserved bigint not null,
    reserved_delta bigint not null,
    allocated bigint not null,
    allocated_delta bigint not null,
    lane smallint not null,
    sku text collate "C" not null,
    location text collate "C" not null,
    -- The event's type, such as StockReceived.
    type text collate "C" not null,
    correlation_id text collate "C" not null,
    actor text collate "C",
    reason text collate "C",
    -- The outside document behind the change.
    reference_type text collate "C",
    reference_id text collate "C",
    reference_line text collate "C",
    primary key (lane, position)
);

-- Lists run from the newest to the oldest by (recorded_at, lane, position); each filter has an index
-- that ends in that order. Within a lane recorded_at never runs back, so this is also the order of
-- the lane.
create index movements_by_time on stock_v1.movements (recorded_at, lane, position);
create index movements_by_sku on stock_v1.movements (sku, recorded_at, lane, position);
create index movements_by_location on stock_v1.movements (location, recorded_at, lane, position);
create index movements_by_type on stock_v1.movements (type, recorded_at, lane, position);
create index movements_by_correlation
    on stock_v1.movements (correlation_id, recorded_at, lane, position);
create index movements_by_actor on stock_v1.movements (actor, recorded_at, lane, position)
    where actor is not null;
create index movements_by_reason on stock_v1.movements (reason, recorded_at, lane, position)
    where reason is not null;
create index movements_by_reference
    on stock_v1.movements (reference_type, reference_id, recorded_at, lane, position)
    where reference_id is not null;

grant usage on schema stock_v1 to stockbook_query;
grant select, insert, update, delete on all tables in schema stock_v1 to stockbook_query;
