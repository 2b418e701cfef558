-- Puts alerts about orders that wait for an operator into their outbox and announces them. The marks guarantee
-- that each is put there once.
with inserted as (
    insert into order_outbox (lane, position, order_id, step, recorded_at)
    select *
    from unnest($1::smallint[], $2::bigint[], $3::text[], $4::text[], $5::timestamptz[])
)
select pg_notify('alert_outbox', '')
