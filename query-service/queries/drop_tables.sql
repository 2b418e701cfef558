-- Drops the tables of a version (schema $1).
select drop_tables($1)
