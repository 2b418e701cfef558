-- The last event of every lane recorded at or before $1; nulls if there is none. In a lane, positions have
-- no gaps and recorded_at never goes back, so a binary search finds it in about twenty look-ups.
with recursive search (lane, low, high) as (
    select
        lanes.lane,
        0::bigint,
        coalesce((select max(position) from events where events.lane = lanes.lane), 0)
    from lanes
    union all
    select
        probed.lane,
        case when probed.is_before then probed.middle else probed.low end,
        case when probed.is_before then probed.high else probed.middle - 1 end
    from (
        select
            search.lane,
            search.low,
            search.high,
            (search.low + search.high + 1) / 2 as middle,
            (
                select events.recorded_at <= $1
                from events
                where events.lane = search.lane
                    and events.position = (search.low + search.high + 1) / 2
            ) as is_before
        from search
        where search.low < search.high
    ) as probed
)
select search.lane, events.position, events.chain, events.recorded_at
from search
left join events on events.lane = search.lane and events.position = search.low
where search.low = search.high
order by search.lane
