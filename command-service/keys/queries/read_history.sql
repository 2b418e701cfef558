-- The last key of a subject: since when it had it, and when it was deleted.
select made_at, forgotten_at
from subject_keys
where subject = $1
order by made_at desc, number desc
limit 1
