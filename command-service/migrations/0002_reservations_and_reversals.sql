-- What reservations and reversals need beside the log. All of it is derived from events and could be
-- filled again from them.

-- When something is to be looked at again: today the ends of holds. One row a stream and purpose, set
-- and removed in the transaction of the event that brings it about.
create table deadlines (
    stream text collate "C" not null,
    -- What is due: expire_reservation.
    what text collate "C" not null,
    due_at timestamptz not null,
    primary key (stream, what)
);
create index deadlines_due_at on deadlines (due_at);

-- Which events were taken back, each once, and by which event of which reversal.
create table reversals (
    lane smallint not null,
    position bigint not null,
    by_lane smallint not null,
    by_position bigint not null,
    reversal text collate "C" not null,
    primary key (lane, position)
);
create index reversals_reversal on reversals (reversal);

-- All that was done under one correlation id.
create index events_correlation_id on events (correlation_id);

-- On the first event of an atomic batch that came with a key: how many of the events that
-- command_lanes and command_positions list each command of the batch made, in the batch's order.
alter table events add column command_sizes integer[];

grant select, insert, update, delete on deadlines to stockbook_command;
grant select, insert on reversals to stockbook_command;
