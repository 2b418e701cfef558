-- Makes this connection, until it closes, the only one that checks all the time; or says that another
-- one is.
select pg_try_advisory_lock(hashtextextended('stockbook integrity', 0))
