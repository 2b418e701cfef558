-- The chain at one position of each lane; no row for a position that the log does not have.
select events.lane, events.chain
from unnest($1::smallint[], $2::bigint[]) as asked(lane, position)
join events on events.lane = asked.lane and events.position = asked.position
