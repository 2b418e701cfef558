-- Other events of the commands that recorded some events ($1, $2), if they hold one of some members ($3); at most
-- so many ($4). A command's events have its correlation id and one time.
with named as (
    select events.lane, events.position, events.correlation_id, events.recorded_at
    from unnest($1::smallint[], $2::bigint[]) as asked (lane, position)
    join events on events.lane = asked.lane and events.position = asked.position
),
of_commands as (
    select distinct correlation_id, recorded_at
    from named
)
select events.lane, events.position
from of_commands
join events
    on events.correlation_id = of_commands.correlation_id
    and events.recorded_at = of_commands.recorded_at
where held_members(events.data, events.sealed, $3::text[]) <> '{}'
    and not exists (
        select from named where named.lane = events.lane and named.position = events.position
    )
order by events.lane, events.position
limit $4
