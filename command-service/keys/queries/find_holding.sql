-- The numbers of those keys that hold now.
select number
from subject_keys
where number = any($1) and sealed is not null
