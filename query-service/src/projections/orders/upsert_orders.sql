-- Writes the newest state of each order. Rows that are ahead stay unchanged; existing rows keep `made_at`, and
-- the events of steps that did not change.
insert into orders (
    id, lane, owner, status, reservation, deadline, reference_type, reference_id, reference_line, lines,
    steps, events, made_at, version, position, updated_at
)
select *
from unnest(
    $1::text[], $2::smallint[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::text[],
    $8::text[], $9::text[], $10::json[], $11::json[], $12::jsonb[], $13::timestamptz[], $14::bigint[],
    $15::bigint[], $16::timestamptz[]
)
on conflict (id) do update
set status = excluded.status,
    reservation = excluded.reservation,
    reference_type = excluded.reference_type,
    reference_id = excluded.reference_id,
    reference_line = excluded.reference_line,
    lines = excluded.lines,
    steps = excluded.steps,
    events = orders.events || excluded.events,
    version = excluded.version,
    position = excluded.position,
    updated_at = excluded.updated_at
where orders.position < excluded.position
