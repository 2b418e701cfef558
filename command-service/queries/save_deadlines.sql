-- Sets when each of the given streams is due, and forgets those given without a time. Sorted by stream,
-- and each stream only by who holds its lane, so that two writers cannot deadlock.
with changed as materialized (
    select stream, due_at
    from unnest($2::text[], $3::timestamptz[]) as deadline (stream, due_at)
),
forgotten as (
    delete from deadlines
    using changed
    where deadlines.stream = changed.stream and deadlines.what = $1 and changed.due_at is null
)
insert into deadlines (stream, what, due_at)
select stream, $1, due_at
from changed
where due_at is not null
order by stream
on conflict (stream, what) do update set due_at = excluded.due_at
