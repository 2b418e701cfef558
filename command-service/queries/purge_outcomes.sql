-- Deletes at most $2 outcomes without events that are older than $1 days, oldest first. An accepted
-- command's outcome is its first event, and stays.
delete from commands
where (caller, key) in (
    select caller, key
    from commands
    where recorded_at < statement_timestamp() - make_interval(days => $1)
    order by recorded_at
    limit $2
)
