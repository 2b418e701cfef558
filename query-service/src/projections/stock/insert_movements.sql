-- Writes one row per stock event. Existing rows stay unchanged.
insert into movements (
    lane, position, sku, location, type, reason, reference_type, reference_id, reference_line,
    actor, correlation_id, occurred_at, recorded_at,
    on_hand, reserved, allocated, on_hand_delta, reserved_delta, allocated_delta,
    version, reservation, reservation_line, expires_at, incoming, incoming_delta, transfer, transfer_line,
    waiting, waiting_delta
)
select *
from unnest(
    $1::smallint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
    $8::text[], $9::text[], $10::text[], $11::text[], $12::timestamptz[], $13::timestamptz[],
    $14::bigint[], $15::bigint[], $16::bigint[], $17::bigint[], $18::bigint[], $19::bigint[],
    $20::bigint[], $21::text[], $22::bigint[], $23::timestamptz[], $24::bigint[], $25::bigint[],
    $26::text[], $27::bigint[], $28::bigint[], $29::bigint[]
)
on conflict (lane, position) do nothing
