-- Takes the relay's session locks of these lanes that no other session holds; never waits.
select lane
from unnest($2::int[]) as lane
where pg_try_advisory_lock($1, lane)
