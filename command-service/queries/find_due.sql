-- At most $1 streams whose deadline has passed, the longest overdue first, with what is due, the seconds
-- since then, and for an order its correlation and its last event, which causes what comes next.
select
    due.stream,
    due.what,
    due.overdue,
    placed.correlation_id,
    last.lane,
    last.position
from (
    select stream, what, due_at, extract(epoch from clock_timestamp() - due_at)::float8 as overdue
    from deadlines
    where due_at <= clock_timestamp()
    order by due_at
    limit $1
) as due
left join events as placed
    on due.what = 'continue_order' and placed.stream = due.stream and placed.version = 1
left join lateral (
    select lane, position
    from events
    where due.what = 'continue_order' and events.stream = due.stream
    order by version desc
    limit 1
) as last on true
order by due.due_at
