-- Stores the outcomes that left no event. Sorted by key, so that two writers cannot deadlock on the
-- primary key, which refuses a key that has an outcome already.
insert into commands (caller, key, request_hash, outcome, recorded_at)
select caller, key, request_hash, outcome::json, $5
from unnest($1::text[], $2::text[], $3::bytea[], $4::text[]) as outcome (caller, key, request_hash, outcome)
order by caller, key
