-- The first place that a command's first event names, among those of a lane from $2 to $3, where no
-- event of the same command stands. Lists of unequal length name a place that is null.
select first.position, first.stream, first.correlation_id, named.nth,
    named.lane as named_lane, named.position as named_position, event.correlation_id as found
from events as first
cross join unnest(first.command_lanes, first.command_positions)
    with ordinality as named (lane, position, nth)
left join events as event on event.lane = named.lane and event.position = named.position
where first.lane = $1
    and first.position between $2 and $3
    and first.command_lanes is not null
    and event.correlation_id is distinct from first.correlation_id
order by first.position, named.nth
limit 1
