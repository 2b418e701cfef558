-- Puts alerts into the outbox and announces them. The marks guarantee that each is put there once.
with inserted as (
    insert into alert_outbox (
        lane, position, sku, location, raised, available, reorder_point, recorded_at
    )
    select *
    from unnest(
        $1::smallint[], $2::bigint[], $3::text[], $4::text[], $5::boolean[], $6::bigint[],
        $7::bigint[], $8::timestamptz[]
    )
)
select pg_notify('alert_outbox', '')
