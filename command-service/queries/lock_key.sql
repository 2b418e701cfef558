-- Takes the lock of a key, waiting for whoever holds it, until the transaction ends.
select pg_advisory_xact_lock($1)
