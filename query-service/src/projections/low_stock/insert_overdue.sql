-- Puts alerts about overdue transfers into their outbox and announces them. The marks guarantee that each is
-- put there once.
with inserted as (
    insert into overdue_outbox (
        lane, position, transfer, expected_at, recorded_at, reference_type, reference_id, reference_line
    )
    select *
    from unnest(
        $1::smallint[], $2::bigint[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::text[],
        $7::text[], $8::text[]
    )
)
select pg_notify('alert_outbox', '')
