-- The database's clock and the last event of each given lane; one row without a lane if none is given.
-- Exact for a lane only while its lock is held.
select * from read_heads($1)
