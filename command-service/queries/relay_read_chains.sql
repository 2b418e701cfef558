-- The chain at one position of each lane asked for; no row where the log does not reach so far.
select events.lane, events.chain
from unnest($1::smallint[], $2::bigint[]) as asked(lane, position)
join events on events.lane = asked.lane and events.position = asked.position
