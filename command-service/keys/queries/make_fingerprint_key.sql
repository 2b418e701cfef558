-- The first key of a log stays.
insert into fingerprint_keys (log, sealed, master_key)
values ($1, $2, $3)
on conflict (log) do nothing
