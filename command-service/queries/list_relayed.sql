-- Of every lane: its head, how far its events are published, how old the first one is that is not, and the
-- connection that holds the relay's lock of it. A lane's mark is the greater of the saved one and the given one.
select
    lanes.lane,
    coalesce(head.position, 0) as head,
    mark.position as mark,
    (extract(epoch from clock_timestamp() - waiting.recorded_at) * 1000)::bigint as waiting_ms,
    host(owner.client_addr) as owner_address,
    owner.application_name as owner_name
from lanes
left join relay_marks as saved on saved.lane = lanes.lane
left join unnest($1::smallint[], $2::bigint[]) as known(lane, position) on known.lane = lanes.lane
cross join lateral (
    select greatest(coalesce(saved.position, 0), coalesce(known.position, 0)) as position
) as mark
left join lateral (
    select position
    from events
    where events.lane = lanes.lane
    order by position desc
    limit 1
) as head on true
left join events as waiting on waiting.lane = lanes.lane and waiting.position = mark.position + 1
left join pg_locks as lock
    on lock.locktype = 'advisory'
    and lock.database = (select oid from pg_database where datname = current_database())
    and lock.classid = $3
    and lock.objid = lanes.lane::int
    and lock.objsubid = 2
    and lock.granted
left join pg_stat_activity as owner on owner.pid = lock.pid
order by lanes.lane
