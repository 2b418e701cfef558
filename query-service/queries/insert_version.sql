-- Lists a new version of a projection, which no service follows yet.
insert into projection_versions (projection, version, state) values ($1, $2, 'filling')
