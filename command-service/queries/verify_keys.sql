-- The first idempotency key that has more than one outcome, in events and commands together, with
-- the last event that has it. The server sorts all keys, on disk if they are many.
with keys as (
    select caller, idempotency_key as key, array[lane, position] as place
    from events
    where idempotency_key is not null
    union all
    select caller, key, null
    from commands
),
twice as (
    select caller, key, count(*) as outcomes, max(place) as place
    from keys
    group by caller, key
    having count(*) > 1
    order by place, caller, key
    limit 1
)
select
    events.lane,
    events.position,
    events.stream,
    'idempotency key ' || twice.key || ' of ' || twice.caller as what,
    'one outcome' as expected,
    twice.outcomes || ' outcomes' as found
from twice
join events on events.lane = twice.place[1] and events.position = twice.place[2]
