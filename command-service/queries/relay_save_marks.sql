-- Says how far each lane is known to be on Kafka, all lanes at once or none.
insert into relay_marks (lane, position)
select lane, position
from unnest($1::smallint[], $2::bigint[]) as marks(lane, position)
on conflict (lane) do update set position = excluded.position
