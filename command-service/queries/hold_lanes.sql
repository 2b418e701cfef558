-- Takes the locks of keys ($1), without waiting, and then waits for those of lanes ($2, ascending); held until the
-- transaction ends. Returns the lanes' heads and the clock, or the keys that another transaction holds.
select * from hold_lanes($1, $2)
