-- The statements, one a row and in order, after which role $1 may log in with password $2, and may do
-- nothing else on the server. The server quotes the name and the password.
select format(statement, $1::text, $2::text)
from unnest(array[
    'create role %1$I',
    'alter role %1$I login nosuperuser nocreatedb nocreaterole password %2$L'
]) with ordinality as step(statement, place)
where place > 1 or not exists (select from pg_roles where rolname = $1)
order by place
