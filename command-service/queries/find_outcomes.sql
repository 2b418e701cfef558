-- The outcomes of the given keys: the first event of an accepted command, or a stored outcome. Must follow
-- the statement that locks the keys, so that its database snapshot is newer than the lock.
select
    events.caller,
    events.idempotency_key as key,
    events.request_hash,
    coalesce(events.command_lanes, array[events.lane]) as lanes,
    coalesce(events.command_positions, array[events.position]) as positions,
    events.command_sizes as sizes,
    null as outcome
from unnest($1::text[], $2::text[]) as asked (caller, key)
join events on events.caller = asked.caller and events.idempotency_key = asked.key
union all
select
    commands.caller,
    commands.key,
    commands.request_hash,
    null,
    null,
    null,
    commands.outcome::text
from unnest($1::text[], $2::text[]) as asked (caller, key)
join commands on commands.caller = asked.caller and commands.key = asked.key
