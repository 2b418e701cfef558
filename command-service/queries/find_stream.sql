-- Whether anything was ever recorded in the stream.
select exists (select from events where stream = $1)
