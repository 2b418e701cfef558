-- Every stock stream whose reserved or allocated figure is not the sum over the lines of open reservations,
-- whose waiting figure is not the sum over its queue or beyond what reservations wait for, or whose incoming
-- figure is not the sum over the lines of transfers under way, in the views as applied now; of one sku only,
-- if $1 names it. At most $2 rows. The sum of held lines lies between held_least and held_most, for the stock
-- stream may have recorded the expiry of a hold, or the fill of a line that waits, that the reservation has
-- not.
-- `seen` changes whenever one of these rows changes.
with open_lines as (
    select
        line.sku collate "C" as sku,
        line.location collate "C" as location,
        line.quantity - line.released - line.fulfilled as quantity,
        coalesce(line.waiting, 0) as lacking,
        held.status,
        held.expires_at,
        held.id,
        held.version
    from reservations as held
    cross join lateral json_to_recordset(held.lines) as line (
        sku text, location text, quantity bigint, waiting bigint, released bigint, fulfilled bigint
    )
    where held.status in ('waiting', 'held', 'confirmed') and ($1::text is null or line.sku = $1)
),
under_way as (
    select
        line.sku collate "C" as sku,
        line."to" collate "C" as location,
        sum(line.quantity - line.received - line.lost - line.returned) as quantity,
        string_agg(id || '/' || version, ' ' order by id, version) as seen
    from transfers
    cross join lateral json_to_recordset(lines) as line (
        sku text, "to" text, quantity bigint, received bigint, lost bigint, returned bigint
    )
    where status in ('in_transit', 'partially_received') and ($1::text is null or line.sku = $1)
    group by 1, 2
),
queues as (
    select sku, location, sum(waiting) as quantity
    from waitlist
    where $1::text is null or sku = $1
    group by 1, 2
),
levels as (
    select
        sku, location, lane, position, version, updated_at, reserved, allocated, incoming, waiting
    from stock_levels
    where $1::text is null or sku = $1
),
sums as (
    select
        sku,
        location,
        lane,
        levels.position,
        coalesce(reserved, 0) as reserved,
        coalesce(allocated, 0) as allocated,
        coalesce(incoming, 0) as incoming,
        coalesce(waiting, 0) as waiting,
        coalesce(sum(quantity) filter (
            where status <> 'confirmed' and coalesce(expires_at > levels.updated_at, true)
        ), 0) as held_least,
        coalesce(sum(quantity + lacking) filter (where status <> 'confirmed'), 0) as held_most,
        coalesce(sum(lacking), 0) as wanted,
        coalesce(sum(quantity) filter (where status = 'confirmed'), 0) as promised,
        concat_ws(
            ' ',
            levels.version::text,
            string_agg(id || '/' || open_lines.version, ' ' order by id, open_lines.version)
        ) as seen
    from levels
    full join open_lines using (sku, location)
    group by
        sku, location, lane, levels.position, levels.version, levels.reserved, levels.allocated,
        levels.incoming, levels.waiting
)
select
    sku,
    location,
    lane,
    position,
    coalesce(reserved, 0)::text as reserved,
    coalesce(allocated, 0)::text as allocated,
    coalesce(incoming, 0)::text as incoming,
    coalesce(waiting, 0)::text as waiting,
    coalesce(wanted, 0)::text as wanted,
    coalesce(waiting > wanted, false) as is_beyond,
    coalesce(queues.quantity, 0)::text as queued,
    coalesce(held_least, 0)::text as held_least,
    coalesce(held_most, 0)::text as held_most,
    coalesce(promised, 0)::text as promised,
    coalesce(under_way.quantity, 0)::text as under_way,
    concat_ws(' ', sums.seen, under_way.seen) as seen
from sums
full join under_way using (sku, location)
full join queues using (sku, location)
where reserved < held_least
    or reserved > held_most
    or allocated <> promised
    or waiting > wanted
    or coalesce(waiting, 0) <> coalesce(queues.quantity, 0)
    or coalesce(incoming, 0) <> coalesce(under_way.quantity, 0)
order by sku, location
limit $2
