-- Lists version 1 of a projection, if none is listed yet: once rebuilt, it may have been dropped.
insert into projection_versions (projection, version, state)
select $1, 1, 'followed'
where not exists (select from projection_versions where projection = $1)
