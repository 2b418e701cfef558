-- Removes the lines that wait no more.
delete from waitlist
using unnest($1::text[], $2::bigint[]) as gone (reservation, line)
where waitlist.reservation = gone.reservation and waitlist.line = gone.line
