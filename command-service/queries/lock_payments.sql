-- Takes the lock of the publisher of payment requests if it is free, for as long as the connection lives.
select pg_try_advisory_lock($1, 0)
