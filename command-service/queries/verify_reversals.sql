-- The first event that takes another back and is not noted so in reversals, or note without its event.
select
    coalesce(reversing.lane, reversals.by_lane) as lane,
    coalesce(reversing.position, reversals.by_position) as position,
    reversing.stream,
    reversing.said as expected,
    reversals.lane || '-' || reversals.position || ' in ' || reversals.reversal as found
from (
    select lane, position, stream, (data ->> 'reverses') || ' in ' || (data ->> 'reversal') as said
    from events
    where type = 'StockReversed'
) as reversing
full join reversals
    on reversals.by_lane = reversing.lane and reversals.by_position = reversing.position
where reversing.said
    is distinct from reversals.lane || '-' || reversals.position || ' in ' || reversals.reversal
order by 1, 2
limit 1
