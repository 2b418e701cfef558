-- Ends the connections that hold the relay's locks ($1) of these lanes ($2), other than this one, and returns which
-- instances they are of and when they were ended.
select distinct
    owner.application_name || ' at ' || coalesce(host(owner.client_addr), 'this machine') as instance,
    clock_timestamp() as ended_at,
    pg_terminate_backend(owner.pid) as is_ended
from pg_locks as lock
join pg_stat_activity as owner on owner.pid = lock.pid
where lock.locktype = 'advisory'
    and lock.database = (select oid from pg_database where datname = current_database())
    and lock.classid = $1
    and lock.objid::int = any($2::int[])
    and lock.objsubid = 2
    and lock.granted
    and lock.pid <> pg_backend_pid()
