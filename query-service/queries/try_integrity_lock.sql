-- Takes the lock of the background check for this connection, or returns that another holds it.
select pg_try_advisory_lock(hashtextextended('stockbook integrity', 0))
