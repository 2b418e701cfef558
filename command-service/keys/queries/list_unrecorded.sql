-- At most $1 deleted keys of which the log does not know yet.
select subject, number
from subject_keys
where forgotten_at is not null and not is_recorded
order by subject, forgotten_at, number
limit $1
