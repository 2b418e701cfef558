-- At most $1 deleted keys of which the log does not know yet, although the request that deleted them had time to
-- record that under its caller's name.
select subject, number
from subject_keys
where forgotten_at < clock_timestamp() - interval '3 seconds' and not is_recorded
order by subject, forgotten_at, number
limit $1
