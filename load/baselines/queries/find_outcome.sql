-- What was answered under a key.
select status, body from outcomes where key = $1
