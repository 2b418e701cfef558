-- Lets one rebuild of a projection run at a time: taken until the connection ends; false if another
-- has it.
select pg_try_advisory_lock(hashtextextended('rebuild ' || $1, 0))
