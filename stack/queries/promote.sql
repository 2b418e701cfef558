-- Lets a standby take commands from now on, and returns whether it does so in time.
select pg_promote(wait => true, wait_seconds => 60)
