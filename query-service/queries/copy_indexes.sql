-- Makes the indexes that a version (schema $2) lacks after those of another (schema $1).
select copy_indexes($1, $2)
