-- The first event named by a command's first event, among the first events of a lane ($1) from $2 to
-- $3, that does not exist or belongs to another command. Lists of unequal length name a null event.
select
    first.lane,
    first.position,
    first.stream,
    'event ' || named.nth || ' of its command' as what,
    'an event of correlation id ' || first.correlation_id as expected,
    coalesce('one of correlation id ' || event.correlation_id, 'nothing')
    || coalesce(' at ' || named.lane || '-' || named.position, ' at no place') as found
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
