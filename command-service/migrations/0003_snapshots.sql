-- Folded states, so that a long history need not be read from its beginning. All of it is derived from
-- events: delete every row and each answer is the same, only the first ones are slower.

-- The latest folded state of streams with many events; written by the batch that makes it worth while.
create table snapshots (
    stream text collate "C" primary key,
    -- Which way of folding made the state (FOLD_VERSION); a service reads its own only.
    fold_version smallint not null,
    -- The last event that is in the state, and the chain there. A state is believed only where the log
    -- has an event of this version with this chain: a log that was restored or forked is another one.
    version bigint not null check (version > 0),
    chain bytea not null check (length(chain) = 32),
    -- The state as the service's JSON.
    state json not null,
    recorded_at timestamptz not null
);

grant select, insert, update, delete on snapshots to stockbook_command;
