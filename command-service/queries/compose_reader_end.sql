-- The statements, one a row and in order, after which role $1 is gone with its rights; none unless it is a role that
-- replicates and can do nothing else. The server quotes the name.
select format(statement, $1::text)
from unnest(array['drop owned by %1$I', 'drop role %1$I']) with ordinality as step(statement, place)
where exists (
    select from pg_roles where rolname = $1 and rolreplication and not rolsuper and not rolcreatedb and not rolcreaterole
)
order by place
