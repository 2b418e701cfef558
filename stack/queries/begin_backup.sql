-- From here on a copy of the files is of use, until the session ends or ends the backup. Does not wait for the
-- next checkpoint, but makes one.
select pg_backup_start('a copy of the files', fast => true)::text
