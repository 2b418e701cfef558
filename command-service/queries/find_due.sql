-- At most $2 streams whose deadline has passed, the longest overdue first, with the seconds since then.
select stream, extract(epoch from clock_timestamp() - due_at)::float8 as overdue
from deadlines
where what = $1 and due_at <= clock_timestamp()
order by due_at
limit $2
