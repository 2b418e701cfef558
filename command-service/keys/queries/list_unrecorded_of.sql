-- The deleted keys of a subject of which the log does not know yet.
select subject, number
from subject_keys
where subject = $1 and forgotten_at is not null and not is_recorded
order by forgotten_at, number
