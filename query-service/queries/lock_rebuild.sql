-- Lets one rebuild of a projection run at a time, until the connection ends. Waits up to lock_timeout, for
-- the server process of a killed rebuild holds the lock until it notices.
select pg_advisory_lock(hashtextextended('rebuild ' || $1, 0))
