-- The keys of subjects, in a separate database: a copy of the log, however old, has no key
-- in it, and restoring the log brings none back.
--
-- Owned by the role that runs the migrations. The service connects as stockbook_command.

-- One row a key, also after it was forgotten: then it says that there was one, and has it no more.
create table subject_keys (
    -- Named by each box that the key sealed.
    number bigint primary key,
    subject text collate "C" not null,
    -- The key, sealed by a master key; null: forgotten.
    sealed bytea,
    -- Which master key that was, as MASTER_KEY_FILE names it.
    master_key text collate "C" not null,
    made_at timestamptz not null default now(),
    forgotten_at timestamptz,
    -- Whether the log says that it was forgotten. Until then this row is a note of what is still to be done.
    is_recorded boolean not null default false,
    check ((sealed is null) = (forgotten_at is not null))
);

-- A subject has one key at a time.
create unique index subject_keys_of_subject on subject_keys (subject) where sealed is not null;

-- All keys that a subject ever had.
create index subject_keys_history on subject_keys (subject, made_at);

-- What was forgotten and is not in the log yet.
create index subject_keys_to_record on subject_keys (subject)
    where forgotten_at is not null and not is_recorded;

-- The key of a log's fingerprints of requests, sealed by a master key. It never changes.
create table fingerprint_keys (
    log text collate "C" primary key,
    sealed bytea not null,
    master_key text collate "C" not null
);

revoke all on all tables in schema public from public;
grant usage on schema public to stockbook_command;
grant select, insert, update on subject_keys to stockbook_command;
grant select, insert, update on fingerprint_keys to stockbook_command;
