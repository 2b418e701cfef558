-- The outcome that was stored under a key.
select status, body from outcomes where key = $1
