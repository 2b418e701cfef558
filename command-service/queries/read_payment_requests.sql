-- The first requests ($2 at most of each lane, $1) that the brokers may not have yet, in the order of their
-- lanes, each with the references that its order came with. Look-ups stand inside each other, so that there is only
-- one way to do it: of a young log the statistics say nothing, and a join may begin with all first events of the log.
select
    request.lane,
    request.position,
    request.recorded_at,
    request.correlation_id,
    request.data::text as data,
    (
        select (placed.data -> 'payment')::text
        from events as placed
        where placed.stream = request.stream and placed.version = 1
    ) as payment
from unnest($1::smallint[]) as asked (lane)
cross join lateral (
    select lane, position, recorded_at, correlation_id, data, stream
    from events
    where events.type = 'PaymentRequested'
        and events.lane = asked.lane
        and events.position > coalesce(
            (
                select payment_marks.position
                from payment_marks
                where payment_marks.lane = asked.lane
            ),
            0
        )
    order by events.position
    limit $2
) as request
order by request.lane, request.position
