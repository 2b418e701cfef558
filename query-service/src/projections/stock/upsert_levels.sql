-- Writes the newest figures of each pair. Rows that are ahead stay unchanged. Runs after the reorder
-- points of the batch are written, because it copies them.
insert into stock_levels (
    sku, location, lane, on_hand, reserved, allocated, incoming, waiting, reorder_point, version,
    position, updated_at
)
select
    level.sku, level.location, level.lane, level.on_hand, level.reserved, level.allocated,
    level.incoming, level.waiting, coalesce(last.reorder_point, 0), level.version, level.position,
    level.updated_at
from unnest(
    $1::text[], $2::text[], $3::smallint[], $4::bigint[], $5::bigint[], $6::bigint[],
    $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::timestamptz[]
) as level (
    sku, location, lane, on_hand, reserved, allocated, incoming, waiting, version, position, updated_at
)
left join lateral (
    select reorder_point
    from reorder_points
    where reorder_points.sku = level.sku
    order by reorder_points.position desc
    limit 1
) as last on true
on conflict (sku, location) do update
set on_hand = excluded.on_hand,
    reserved = excluded.reserved,
    allocated = excluded.allocated,
    incoming = excluded.incoming,
    waiting = excluded.waiting,
    reorder_point = excluded.reorder_point,
    version = excluded.version,
    position = excluded.position,
    updated_at = excluded.updated_at
where stock_levels.position < excluded.position
