-- Puts alerts into the outbox. The marks say that none of them was there before.
insert into alert_outbox (
    lane, position, sku, location, raised, available, reorder_point, recorded_at
)
select *
from unnest(
    $1::smallint[], $2::bigint[], $3::text[], $4::text[], $5::boolean[], $6::bigint[], $7::bigint[],
    $8::timestamptz[]
)
