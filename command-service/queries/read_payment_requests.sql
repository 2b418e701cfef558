-- The first requests ($2 at most of each lane, $1) that the brokers may not have yet, in the order of their
-- lanes, each with the references that its order came with.
select
    request.lane,
    request.position,
    request.recorded_at,
    request.correlation_id,
    request.data::text as data,
    (placed.data -> 'payment')::text as payment
from unnest($1::smallint[]) as asked (lane)
left join payment_marks on payment_marks.lane = asked.lane
cross join lateral (
    select *
    from events
    where events.type = 'PaymentRequested'
        and events.lane = asked.lane
        and events.position > coalesce(payment_marks.position, 0)
    order by events.position
    limit $2
) as request
join events as placed on placed.stream = request.stream and placed.version = 1
order by request.lane, request.position
