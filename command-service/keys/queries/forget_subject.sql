-- Deletes the key of a subject, if it has one. The row stays, as a note for the log.
update subject_keys
set sealed = null, forgotten_at = clock_timestamp()
where subject = $1 and sealed is not null
