-- The streams that are due, the longest overdue first, at most $2, and for how many seconds.
select stream, extract(epoch from clock_timestamp() - due_at)::float8 as overdue
from deadlines
where what = $1 and due_at <= clock_timestamp()
order by due_at
limit $2
