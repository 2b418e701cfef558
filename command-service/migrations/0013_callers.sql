-- Who asked for an event, proved by sign-in: the credential's id. Null: nobody signed in, or it was recorded
-- before. Every event of a request has it, and the chain covers it (shared_events::chain, version 2), whereas
-- `caller` says whose an idempotency key is. A service of before writes nulls and reads past it.
alter table events add column credential text collate "C";
