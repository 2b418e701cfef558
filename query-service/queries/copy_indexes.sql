-- Creates the indexes of one version (schema $1) that another (schema $2) lacks.
select copy_indexes($1, $2)
