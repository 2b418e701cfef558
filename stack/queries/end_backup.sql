-- Ends the backup of this session and returns the file that has to lie in the copy. Where the write-ahead log is
-- archived, all that the copy needs is there.
select labelfile from pg_backup_stop(wait_for_archive => true)
