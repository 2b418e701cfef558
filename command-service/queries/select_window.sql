-- The matching events of a lane after a position and up to another that are not reversed, at most $10;
-- if $4 is given, only those that occurred from $4 to before $5. Of a move both halves match or none, for
-- each names the location of the other. Plan it with its values: a null matches everything.
select
    events.position, events.correlation_id, events.recorded_at,
    events.type = 'StockMovedOut' as is_moved_out
from events
where events.lane = $1
    and events.position > $2
    and events.position <= $3
    and ($4::timestamptz is null or events.occurred_at >= $4 and events.occurred_at < $5)
    and events.type = any($6)
    and ($7::text is null or events.actor = $7)
    and (
        $8::text is null
        or events.stream >= 'stock/' || $8 || '/' and events.stream < 'stock/' || $8 || '0'
    )
    and (
        $9::text is null
        or events.stream like 'stock/%' and split_part(events.stream, '/', 3) = $9
        or events.type = 'StockMovedOut' and events.data ->> 'to' = $9
        or events.type = 'StockMovedIn' and events.data ->> 'from' = $9
    )
    and not exists (
        select from reversals
        where reversals.lane = events.lane and reversals.position = events.position
    )
limit $10
