-- Every day of one item ($3) from $4 up to, but not including, $5: how much came in and went out, and how
-- much was there at its end, counting all days before; and how far the item's lane ($2) is applied: one
-- statement, so one moment. One row per day if the lane exists.
select
    c.lane,
    c.position as applied,
    items.sku is not null as present,
    items.version,
    items.position,
    items.updated_at,
    calendar.day::date as day,
    coalesce(days.incoming, 0)::text as incoming,
    coalesce(days.outgoing, 0)::text as outgoing,
    coalesce(days.returned, 0)::text as returned,
    coalesce(days.adjusted, 0)::text as adjusted,
    coalesce(days.transferred, 0)::text as transferred,
    before.net::text as opening,
    (before.net + sum(coalesce(days.net, 0)) over (order by calendar.day))::text as closing
from checkpoints c
left join items on items.sku = $3
cross join (
    select coalesce(sum(net), 0) as net
    from days
    where sku = $3 and day < $4
) as before
cross join generate_series($4::date::timestamp, $5::date::timestamp - interval '1 day', interval '1 day')
    as calendar (day)
left join days on days.sku = $3 and days.day = calendar.day::date
where c.projection = 'daily_flow' and c.version = $1 and c.lane = $2
order by calendar.day
