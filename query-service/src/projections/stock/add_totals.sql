-- Adds the changes of each sku to its totals; sums are text, because they may be beyond 64 bits. Rows that
-- are ahead stay unchanged.
insert into stock_totals (
    sku, lane, on_hand, reserved, allocated, incoming, waiting, version, position, updated_at
)
select *
from unnest(
    $1::text[], $2::smallint[], $3::text[]::numeric[], $4::text[]::numeric[], $5::text[]::numeric[],
    $6::text[]::numeric[], $7::text[]::numeric[], $8::bigint[], $9::bigint[], $10::timestamptz[]
)
on conflict (sku) do update
set on_hand = stock_totals.on_hand + excluded.on_hand,
    reserved = stock_totals.reserved + excluded.reserved,
    allocated = stock_totals.allocated + excluded.allocated,
    incoming = stock_totals.incoming + excluded.incoming,
    waiting = stock_totals.waiting + excluded.waiting,
    version = stock_totals.version + excluded.version,
    position = excluded.position,
    updated_at = excluded.updated_at
where stock_totals.position < excluded.position
