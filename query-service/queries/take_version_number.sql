-- Takes the number of the next version of a projection, which is never used again.
update projections
set last_version = last_version + 1
where name = $1
returning last_version
