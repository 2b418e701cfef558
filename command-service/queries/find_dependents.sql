-- For each given event, the first hundred later events of its stream that reduced on_hand and are not
-- reversed.
select asked.lane, asked.position, later.position as dependent
from unnest($1::smallint[], $2::bigint[], $3::text[], $4::bigint[])
    as asked (lane, position, stream, version)
cross join lateral (
    select events.position
    from events
    where events.stream = asked.stream
        and events.version > asked.version
        and (
            events.type in ('StockIssued', 'StockMovedOut', 'StockFulfilled', 'StockDispatched')
            or (
                events.type in ('StockAdjusted', 'StockSet', 'StockReversed')
                and (events.data ->> 'delta')::bigint < 0
            )
        )
        and not exists (
            select from reversals
            where reversals.lane = events.lane and reversals.position = events.position
        )
    order by events.version
    limit 100
) as later
