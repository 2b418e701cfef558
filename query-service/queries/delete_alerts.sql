-- Deletes alerts that the brokers have acknowledged.
delete from alert_outbox
using unnest($1::smallint[], $2::bigint[], $3::text[]) as sent (lane, position, location)
where alert_outbox.lane = sent.lane
    and alert_outbox.position = sent.position
    and alert_outbox.location = sent.location
