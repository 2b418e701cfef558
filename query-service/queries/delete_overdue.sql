-- Deletes alerts about overdue transfers that the brokers have acknowledged.
delete from overdue_outbox
using unnest($1::smallint[], $2::bigint[]) as sent (lane, position)
where overdue_outbox.lane = sent.lane and overdue_outbox.position = sent.position
