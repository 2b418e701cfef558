-- The last key of a subject: since when it had it, and when it was deleted.
select made_at, forgotten_at
from (
    select number, made_at, forgotten_at
    from subject_keys
    where subject = $1 and sealed is not null
    union all
    select number, made_at, forgotten_at
    from subject_keys
    where subject = $1 and sealed is null
) as known
order by made_at desc, number desc
limit 1
