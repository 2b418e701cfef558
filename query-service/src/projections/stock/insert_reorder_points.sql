-- Writes one row per event that may change a reorder point. Existing rows stay unchanged.
insert into reorder_points (sku, position, lane, reorder_point, occurred_at)
select *
from unnest($1::text[], $2::bigint[], $3::smallint[], $4::bigint[], $5::timestamptz[])
on conflict (sku, position) do nothing
