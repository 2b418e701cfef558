-- For each given stream of a transfer, its first hundred steps after the dispatch.
select asked.stream, step.lane, step.position
from unnest($1::text[]) as asked (stream)
cross join lateral (
    select events.lane, events.position
    from events
    where events.stream = asked.stream and events.version > 1
    order by events.version
    limit 100
) as step
