-- Lets one version ($3) answer instead of another ($2), if that one answers now, however far each of them is.
update projections
set active_version = $3, active_since = clock_timestamp()
where name = $1 and active_version = $2
