-- Makes the lanes 0 to $1 - 1.
insert into lanes (lane)
select generate_series(0, $1 - 1)
