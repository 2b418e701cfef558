-- At most $4 events of a correlation after a position of each lane, by recorded time, lane and position.
select events.lane, events.position
from events
left join unnest($2::smallint[], $3::bigint[]) as read(lane, position) on read.lane = events.lane
where events.correlation_id = $1
    and events.position > coalesce(read.position, 0)
order by events.recorded_at, events.lane, events.position
limit $4
