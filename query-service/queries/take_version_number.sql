-- Takes the number of the next version of a projection; it is never given again.
update projections
set last_version = last_version + 1
where name = $1
returning last_version
