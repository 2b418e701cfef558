-- Lets one rebuild of a projection run at a time: taken until the connection ends. Waits as long as
-- lock_timeout allows, for a rebuild that was killed holds it until its server process notices.
select pg_advisory_lock(hashtextextended('rebuild ' || $1, 0))
