-- At most $2 keys of subjects that another master key than $1 seals.
select subject, number, sealed, master_key
from subject_keys
where sealed is not null and master_key <> $1
order by number
limit $2
