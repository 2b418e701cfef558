-- The transactions that hold the lock of a lane now, each as a text that no later transaction has.
select distinct virtualtransaction
from pg_locks
where locktype = 'advisory'
    and database = (select oid from pg_database where datname = current_database())
    and classid = 8266
    and objsubid = 2
    and granted
