-- The statements, one a row and in order, after which role $1 exists, which nobody logs in as, and role $2 may
-- give functions to it.
select format(statement, $1::text, $2::text)
from unnest(array[
    'create role %1$I nologin',
    'grant %1$I to %2$I'
]) with ordinality as step(statement, place)
where place > 1 or not exists (select from pg_roles where rolname = $1)
order by place
