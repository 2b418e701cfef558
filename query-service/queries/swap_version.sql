-- Lets one version ($3) answer instead of another ($2), if that one answers now and every lane of the new
-- one is at least as far. The caller has locked the checkpoints of the old one.
update projections
set active_version = $3, active_since = clock_timestamp()
where name = $1
    and active_version = $2
    and not exists (
        select
        from checkpoints old
        left join checkpoints new
            on new.projection = $1 and new.version = $3 and new.lane = old.lane
        where old.projection = $1
            and old.version = $2
            and (new.position is null or new.position < old.position)
    )
