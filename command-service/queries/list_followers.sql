-- The slots of this database by which somebody follows a publication, with the bytes of WAL that each keeps.
select
    slot_name::text as slot,
    active,
    coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn), 0)::bigint as kept
from pg_replication_slots
where database = current_database() and plugin = 'pgoutput'
order by slot_name
