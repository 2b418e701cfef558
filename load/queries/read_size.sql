-- The bytes that this database takes on the disk.
select pg_database_size(current_database())
