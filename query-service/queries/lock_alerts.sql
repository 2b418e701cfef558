-- Takes the lock of the instance that publishes alerts, until the connection ends; false if another
-- instance holds it.
select pg_try_advisory_lock(hashtextextended('alert_outbox', 0))
