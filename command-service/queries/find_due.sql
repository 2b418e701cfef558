-- At most $1 streams whose deadline has passed, the longest overdue first, with what is due and the seconds
-- since then.
select stream, what, extract(epoch from clock_timestamp() - due_at)::float8 as overdue
from deadlines
where due_at <= clock_timestamp()
order by due_at
limit $1
