-- Notes that the log knows of deleted keys.
update subject_keys
set is_recorded = true
where number = any($1) and forgotten_at is not null
