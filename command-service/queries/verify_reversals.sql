-- The first StockReversed event without the same row in reversals, or row without its event.
select
    coalesce(reversing.lane, reversals.by_lane) as lane,
    coalesce(reversing.position, reversals.by_position) as position,
    reversing.stream,
    'row of reversals' as what,
    coalesce(reversing.reversed, 'nothing') as expected,
    coalesce(
        reversals.lane || '-' || reversals.position || ' in ' || reversals.reversal, 'nothing'
    ) as found
from (
    select
        lane, position, stream, (data ->> 'reverses') || ' in ' || (data ->> 'reversal') as reversed
    from events
    where type = 'StockReversed'
) as reversing
full join reversals
    on reversals.by_lane = reversing.lane and reversals.by_position = reversing.position
where reversing.reversed
    is distinct from reversals.lane || '-' || reversals.position || ' in ' || reversals.reversal
order by 1, 2
limit 1
