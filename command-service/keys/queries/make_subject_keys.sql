-- Makes keys, and returns the numbers of those that hold now, and of those of $5 that do. A key whose number was
-- forgotten, or whose subject has another, is not made and does not hold.
with asked as (
    select *
    from unnest($1::text[], $2::bigint[], $3::bytea[], $4::text[]) as key (subject, number, sealed, master_key)
), made as (
    insert into subject_keys (subject, number, sealed, master_key)
    select subject, number, sealed, master_key
    from asked
    where not exists (select from subject_keys as known where known.number = asked.number)
    order by subject
    on conflict (subject) where sealed is not null do nothing
    returning number
)
select number from made
union all
select number
from subject_keys
where number = any($2 || $5) and sealed is not null
