-- Creates missing roles and databases, and sets the passwords of the roles, which may log in and nothing
-- else. psql runs it as the superuser at every start.

\set ON_ERROR_STOP on
\getenv owner_password OWNER_PASSWORD
\getenv command_password COMMAND_PASSWORD
\getenv query_password QUERY_PASSWORD

-- Statements that contain passwords are never shown, not even when they fail.
\set VERBOSITY terse
\set SHOW_CONTEXT never
set log_min_error_statement = 'panic';

create temporary table roles (name text, password text);
insert into roles values
    ('stockbook_owner', :'owner_password'),
    ('stockbook_command', :'command_password'),
    ('stockbook_query', :'query_password');

select format('create role %I', name)
from roles
where name not in (select rolname from pg_roles)
\gexec

select format('alter role %I login nosuperuser nocreatedb nocreaterole password %L', name, password)
from roles
\gexec

-- Owns the function that takes bytes out of recorded events, and nobody logs in as it. The owner gives the
-- function to it.
select 'create role stockbook_redactor nologin'
where 'stockbook_redactor' not in (select rolname from pg_roles)
\gexec

grant stockbook_redactor to stockbook_owner;

-- Each service may connect to its own databases, and nobody else may.
create temporary table guests (database text, role text);
insert into guests values
    ('stockbook_write', 'stockbook_command'),
    ('stockbook_keys', 'stockbook_command'),
    ('stockbook_read', 'stockbook_query');

select format('create database %I owner stockbook_owner template template0', database)
from guests
where database not in (select datname from pg_database)
\gexec

select format(statement, database, role)
from guests,
    unnest(array[
        'revoke all on database %1$I from public',
        'grant connect on database %1$I to %2$I'
    ]) as step(statement)
\gexec
