-- The holds and promises of one pair ($1, $2) at the position $3, by reservation and line: the first $4 of
-- each kind, each row with the count and the sum of its whole kind. Holds that end first come first.
-- Read from an index alone.
with opened as (
    select
        reservation,
        reservation_line,
        sum(reserved_delta)::bigint as reserved,
        sum(allocated_delta)::bigint as allocated,
        (array_agg(expires_at order by position desc) filter (where expires_at is not null))[1]
            as expires_at
    from movements
    where sku = $1 and location = $2 and position <= $3 and reservation is not null
    group by reservation, reservation_line
),
kinds as (
    select true as is_hold, reservation, reservation_line, reserved as quantity, expires_at
    from opened
    where reserved <> 0
    union all
    select false, reservation, reservation_line, allocated, null
    from opened
    where allocated <> 0
),
counted as (
    select
        *,
        count(*) over (partition by is_hold) as lines,
        sum(quantity) over (partition by is_hold)::bigint as total,
        row_number() over (
            partition by is_hold order by expires_at, reservation, reservation_line
        ) as place
    from kinds
)
select is_hold, reservation, reservation_line, quantity, expires_at, lines, total
from counted
where place <= $4
order by is_hold desc, place
