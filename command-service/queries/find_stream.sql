-- Whether the stream has any events.
select exists (select from events where stream = $1)
