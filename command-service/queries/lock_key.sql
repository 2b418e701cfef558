-- Takes the lock of a key until the transaction ends. Waits while another transaction holds it.
select pg_advisory_xact_lock($1)
