-- Makes the role where it is missing and sets its password: afterwards it may log in, and may do
-- nothing else on the server. The name and the password come from the session's settings.
do $$
declare
    role_name text := current_setting('stockbook.role');
begin
    if not exists (select from pg_roles where rolname = role_name) then
        execute format('create role %I', role_name);
    end if;
    execute format(
        'alter role %I login nosuperuser nocreatedb nocreaterole password %L',
        role_name, current_setting('stockbook.password')
    );
end
$$
