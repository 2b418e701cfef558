-- Lets one instance at a time publish alerts: taken until the connection ends; false if another has it.
select pg_try_advisory_lock(hashtextextended('alert_outbox', 0))
