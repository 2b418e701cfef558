-- Waits until no other session sets up roles or databases here; held until the session ends.
select pg_advisory_lock(hashtext('stockbook setup'))
