-- Does what the events at these places ($1, $2) announce, which this transaction has recorded; all or an error.
select redact_events($1, $2)
