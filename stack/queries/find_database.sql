-- Whether a database of this name exists.
select exists (select from pg_database where datname = $1)
