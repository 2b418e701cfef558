-- Makes the tables of a version (schema $2) after those of another (schema $1), empty.
select copy_tables($1, $2)
