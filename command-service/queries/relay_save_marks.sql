-- Saves the relay marks of lanes, all or none.
insert into relay_marks (lane, position)
select lane, position
from unnest($1::smallint[], $2::bigint[]) as marks(lane, position)
on conflict (lane) do update set position = excluded.position
