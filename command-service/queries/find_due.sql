-- At most $1 streams whose deadline has passed, the longest overdue first, with what is due, the seconds
-- since then, and for an order its correlation and its last event, which causes what comes next. Where a
-- reservation is to follow its fills and an order waits for it, the order is due, and the reservation with it.
-- The moment is that of the statement, which an index can be searched for, however many deadlines are to come.
-- Each look-up is lateral with a limit, so that no estimate makes it a scan of all deadlines or events.
select
    due.stream,
    due.what,
    due.overdue,
    placed.correlation_id,
    last.lane,
    last.position
from (
    select
        coalesce(of_order.stream, passed.stream) as stream,
        coalesce(of_order.what, passed.what) as what,
        passed.due_at,
        extract(epoch from statement_timestamp() - passed.due_at)::float8 as overdue
    from (
        select stream, what, due_at
        from deadlines
        where due_at <= statement_timestamp()
        order by due_at
        limit $1
    ) as passed
    left join lateral (
        select stream, what
        from deadlines
        where passed.what = 'follow_waitlist'
            and stream = 'order/' || split_part(passed.stream, '/', 2)
            and what = 'continue_order'
        limit 1
    ) as of_order on true
) as due
left join lateral (
    select correlation_id
    from events
    where due.what = 'continue_order' and events.stream = due.stream and events.version = 1
    limit 1
) as placed on true
left join lateral (
    select lane, position
    from events
    where due.what = 'continue_order' and events.stream = due.stream
    order by version desc
    limit 1
) as last on true
order by due.due_at
