-- Every total that was written from a lane ($1), its contents as text; of one sku only, if $2 names it.
select
    sku as key,
    version,
    position,
    updated_at,
    null::timestamptz as made_at,
    false as retired,
    array[on_hand::text, reserved::text, allocated::text, incoming::text, waiting::text] as contents
from stock_totals
where lane = $1 and ($2::text is null or sku = $2)
