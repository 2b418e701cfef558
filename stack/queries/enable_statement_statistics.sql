-- Lets the superuser read which statements cost what, of every database, where the server counts.
do $$
begin
    if current_setting('shared_preload_libraries') = 'pg_stat_statements' then
        create extension if not exists pg_stat_statements;
    end if;
end
$$
