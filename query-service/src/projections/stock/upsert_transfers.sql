-- Writes the newest state of each transfer. Rows that are ahead stay unchanged; existing rows keep `made_at`.
insert into transfers (
    id, lane, status, expected_at, overdue, reference_type, reference_id, reference_line, lines,
    made_at, version, position, updated_at
)
select *
from unnest(
    $1::text[], $2::smallint[], $3::text[], $4::timestamptz[], $5::boolean[], $6::text[], $7::text[],
    $8::text[], $9::json[], $10::timestamptz[], $11::bigint[], $12::bigint[], $13::timestamptz[]
)
on conflict (id) do update
set status = excluded.status,
    expected_at = excluded.expected_at,
    overdue = excluded.overdue,
    reference_type = excluded.reference_type,
    reference_id = excluded.reference_id,
    reference_line = excluded.reference_line,
    lines = excluded.lines,
    version = excluded.version,
    position = excluded.position,
    updated_at = excluded.updated_at
where transfers.position < excluded.position
