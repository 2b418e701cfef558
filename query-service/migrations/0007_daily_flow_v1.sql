-- Version 1 of the projection `daily_flow`: what came in and went out of each item on each day.
--
-- A day is a day of UTC, and an event belongs to the day on which it happened (occurred_at), however
-- late it was recorded. What is left at the end of a day is the sum of all days up to it, and is not
-- stored: so an event of a past day changes one row, not all the days since.
-- Amounts are in base units of the item, over all locations. A move between two locations neither
-- brings nor takes anything from the item as a whole and is not counted.

create schema daily_flow_v1;

-- The items, with how many events counted for each.
create table daily_flow_v1.items (
    version bigint not null,
    position bigint not null,
    updated_at timestamptz not null,
    lane smallint not null,
    sku text collate "C" primary key
);

-- One row for each item and day on which something happened.
create table daily_flow_v1.days (
    -- Received.
    incoming bigint not null,
    -- Issued, and what was reserved and went out.
    outgoing bigint not null,
    -- Of what was reserved and went out, what came back.
    returned bigint not null,
    -- Adjusted, counted and taken back; negative when the books had too much.
    adjusted bigint not null,
    net bigint not null generated always as (incoming - outgoing + returned + adjusted) stored,
    position bigint not null,
    day date not null,
    lane smallint not null,
    sku text collate "C" not null,
    primary key (sku, day)
);

grant usage on schema daily_flow_v1 to stockbook_query;
grant select, insert, update, delete on all tables in schema daily_flow_v1 to stockbook_query;
