-- Takes the session lock of a job if it is free; never waits. Two jobs may share a lock.
select pg_try_advisory_lock($1, hashtext($2))
