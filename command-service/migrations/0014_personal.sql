-- Personal data, sealed before it is stored (decision 34). The keys are in another database.

-- Whose data it is, and the box; on every event of the command that came with it. The chain covers both by
-- their hash (shared_events::chain, version 3).
alter table events
    add column subject text collate "C",
    add column sealed text collate "C",
    add constraint events_subject_of_sealed check ((subject is null) = (sealed is null)) not valid;

-- All events of a subject.
create index events_subject on events (subject, recorded_at, lane, position) where subject is not null;

-- Which log this is, wherever it is restored: a box opens in the log that it was made for.
create table log_identity (
    singleton boolean primary key default true check (singleton),
    id uuid not null default gen_random_uuid()
);

insert into log_identity default values;

grant select on log_identity to stockbook_command;
