-- Creates the tables of a version (schema $2) like those of another (schema $1), empty.
select copy_tables($1, $2)
