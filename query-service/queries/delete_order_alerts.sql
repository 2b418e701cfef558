-- Deletes alerts about orders that the brokers have acknowledged.
delete from order_outbox
using unnest($1::smallint[], $2::bigint[]) as sent (lane, position)
where order_outbox.lane = sent.lane and order_outbox.position = sent.position
