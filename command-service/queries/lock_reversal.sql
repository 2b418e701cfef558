-- Takes the session lock of a job unless another session holds it; never waits. Two jobs may share one.
select pg_try_advisory_lock($1, hashtext($2))
