-- The tables of a version (schema $1).
select tablename::text from pg_tables where schemaname = $1 order by tablename
