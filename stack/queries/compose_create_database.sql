-- The statements, one a row and in order, that make database $1 of owner $2 with role $3 as its
-- only user; none if it exists. The server quotes the names, and a function cannot create a database.
select format(statement, $1::text, $2::text, $3::text)
from unnest(array[
    'create database %1$I owner %2$I template template0',
    'revoke all on database %1$I from public',
    'grant connect on database %1$I to %3$I'
]) with ordinality as step(statement, place)
where not exists (select from pg_database where datname = $1)
order by place
