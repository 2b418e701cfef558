-- Sets whether a version is followed. The version that answers always is.
update projection_versions
set state = $3
where projection = $1
    and version = $2
    and ($3 = 'followed' or version <> (select active_version from projections where name = $1))
