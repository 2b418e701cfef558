-- Writes the newest state of each reservation. Rows that are ahead stay unchanged; existing rows keep
-- `made_at`.
insert into reservations (
    id, lane, owner, status, expires_at, reference_type, reference_id, reference_line, lines,
    made_at, version, position, updated_at, wait_until, priority
)
select *
from unnest(
    $1::text[], $2::smallint[], $3::text[], $4::text[], $5::timestamptz[], $6::text[], $7::text[],
    $8::text[], $9::json[], $10::timestamptz[], $11::bigint[], $12::bigint[], $13::timestamptz[],
    $14::timestamptz[], $15::smallint[]
)
on conflict (id) do update
set owner = excluded.owner,
    status = excluded.status,
    expires_at = excluded.expires_at,
    reference_type = excluded.reference_type,
    reference_id = excluded.reference_id,
    reference_line = excluded.reference_line,
    lines = excluded.lines,
    version = excluded.version,
    position = excluded.position,
    updated_at = excluded.updated_at,
    wait_until = excluded.wait_until,
    priority = excluded.priority
where reservations.position < excluded.position
