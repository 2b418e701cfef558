-- The first movement of a lane ($1) at a position that is not applied: after $2, or before the first
-- position; of one sku only, if $3 names it. Null if there is none.
select least(
    (
        select min(position) from movements
        where lane = $1 and position < 1 and ($3::text is null or sku = $3)
    ),
    (
        select min(position) from movements
        where lane = $1 and position > $2 and ($3::text is null or sku = $3)
    )
)
