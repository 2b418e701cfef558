-- Lets the superuser read which statements cost what, of every database.
create extension if not exists pg_stat_statements
