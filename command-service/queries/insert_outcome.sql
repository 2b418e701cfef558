-- Stores the outcome of a key. The primary key refuses a key that has one already.
insert into commands (caller, key, request_hash, outcome, recorded_at)
values ($1, $2, $3, $4::json, $5)
