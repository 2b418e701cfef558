-- The last event of every lane, read from the right edge of the primary key; nulls for an empty lane.
select lanes.lane, head.position, head.chain, head.recorded_at
from lanes
left join lateral (
    select position, chain, recorded_at
    from events
    where events.lane = lanes.lane
    order by position desc
    limit 1
) as head on true
order by lanes.lane
