-- The first position of a lane ($1) at which there is a movement though no such position is applied:
-- beyond $2, or before the first; of one sku only, if $3 names it. Null when there is none.
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
