-- Writes the newest reorder point of each item. Rows that are ahead stay unchanged.
insert into items (sku, lane, reorder_point, position)
select *
from unnest($1::text[], $2::smallint[], $3::bigint[], $4::bigint[])
on conflict (sku) do update
set reorder_point = excluded.reorder_point,
    position = excluded.position
where items.position < excluded.position
