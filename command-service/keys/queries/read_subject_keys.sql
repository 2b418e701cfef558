-- The present keys of subjects.
select subject, number, sealed, master_key
from subject_keys
where subject = any($1) and sealed is not null
