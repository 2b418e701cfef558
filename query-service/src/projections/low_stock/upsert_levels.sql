-- Writes whether each pair is short. Rows that are not behind stay unchanged.
insert into levels (
    sku, location, lane, available, raised, alert_position, alerted_at, position, updated_at
)
select *
from unnest(
    $1::text[], $2::text[], $3::smallint[], $4::bigint[], $5::boolean[], $6::bigint[],
    $7::timestamptz[], $8::bigint[], $9::timestamptz[]
)
on conflict (sku, location) do update
set available = excluded.available,
    raised = excluded.raised,
    alert_position = excluded.alert_position,
    alerted_at = excluded.alerted_at,
    position = excluded.position,
    updated_at = excluded.updated_at
where levels.position < excluded.position
