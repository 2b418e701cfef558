-- Every line that waits for the stock of a lane ($1); of one sku only, if $2 names it.
select
    reservation, line, sku, location, owner, turn, waiting, since, since_at, wait_until, version, position,
    updated_at
from waitlist
where lane = $1 and ($2::text is null or sku = $2)
