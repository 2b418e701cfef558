-- Version 1 of the projection `low_stock`: which item is short at which location, and the alerts about
-- it.
--
-- An alert is raised when what is available falls to the item's reorder point or below, and cleared
-- when it is above the reorder point by more than a tenth of it (at least by more than 1), so that a
-- figure at the edge does not raise and clear with every sale.

create schema low_stock_v1;

-- The reorder point of each item; 0, which is also that of a retired one, means never short.
create table low_stock_v1.items (
    reorder_point bigint not null,
    position bigint not null,
    lane smallint not null,
    sku text collate "C" primary key
);

-- Every pair of sku and location that has a history. One without a reorder point is kept too: it may
-- get one.
create table low_stock_v1.levels (
    available bigint not null,
    -- The event that last raised or cleared it; null if none ever did.
    alert_position bigint,
    alerted_at timestamptz,
    position bigint not null,
    updated_at timestamptz not null,
    lane smallint not null,
    raised boolean not null,
    sku text collate "C" not null,
    location text collate "C" not null,
    primary key (sku, location)
);

-- Lists run in the order (sku, location) over those that were ever raised; each filter has an index.
create index levels_alerted on low_stock_v1.levels (sku, location) where alert_position is not null;
create index levels_by_raised on low_stock_v1.levels (raised, sku, location)
    where alert_position is not null;

grant usage on schema low_stock_v1 to stockbook_query;
grant select, insert, update, delete on all tables in schema low_stock_v1 to stockbook_query;

-- What follows belongs to no version: an alert goes out once, whichever version is first to see it.

-- Up to which position of a lane alerts were put into the outbox. Moves in the transaction that puts
-- them there, so a version that is filled anew, or one that stands beside, does not repeat them.
create table alert_marks (
    lane smallint primary key,
    position bigint not null check (position >= 0)
)
with (fillfactor = 10);

-- Alerts on their way to Kafka. A row goes when the brokers have acknowledged it.
create table alert_outbox (
    lane smallint not null,
    position bigint not null,
    available bigint not null,
    reorder_point bigint not null,
    recorded_at timestamptz not null,
    raised boolean not null,
    sku text collate "C" not null,
    location text collate "C" not null,
    -- One event may change several locations: a changed reorder point does.
    primary key (lane, position, location)
);

grant select, update on alert_marks to stockbook_query;
grant select, insert, update, delete on alert_outbox to stockbook_query;
