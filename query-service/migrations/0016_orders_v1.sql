-- Version 1 of the projection `orders`: each order as it stands after its last step.

create schema orders_v1;

create table orders_v1.orders (
    position bigint not null,
    version bigint not null,
    updated_at timestamptz not null,
    -- When it was placed.
    made_at timestamptz not null,
    -- When it ends unless it is paid.
    deadline timestamptz not null,
    lane smallint not null,
    id text collate "C" primary key,
    owner text collate "C" not null,
    -- placed, awaiting_payment, confirmed, declined, timed_out, cancelled or failed.
    status text collate "C" not null,
    -- The reservation that holds its stock, once there is one.
    reservation text collate "C",
    reference_type text collate "C",
    reference_id text collate "C",
    reference_line text collate "C",
    -- A list of {line, sku, location, requested, quantity}.
    lines json not null,
    line_count integer not null generated always as (json_array_length(lines)) stored,
    -- The steps that have begun: a list of {name, status, at, version, detail}.
    steps json not null,
    -- For each of those steps, by name, the event that says how far it is.
    events jsonb not null
);

-- Lists run from the newest to the oldest by (made_at, id), which never change; each filter has an index that
-- ends in that order.
create index orders_by_time on orders_v1.orders (made_at, id);
create index orders_by_owner on orders_v1.orders (owner, made_at, id);
create index orders_by_status on orders_v1.orders (status, made_at, id);

grant usage on schema orders_v1 to stockbook_query;
grant select, insert, update, delete on all tables in schema orders_v1 to stockbook_query;

-- What follows belongs to no version: an alert goes out once, whichever version is first to see it.

-- Alerts about orders that wait for an operator on their way to Kafka. A row goes when the brokers have
-- acknowledged it.
create table order_outbox (
    lane smallint not null,
    position bigint not null,
    recorded_at timestamptz not null,
    order_id text collate "C" not null,
    step text collate "C" not null,
    primary key (lane, position)
);

grant select, insert, update, delete on order_outbox to stockbook_query;
