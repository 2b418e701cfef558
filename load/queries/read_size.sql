-- Bytes of this database on the disk.
select pg_database_size(current_database())
