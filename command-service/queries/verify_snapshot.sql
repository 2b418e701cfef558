-- The first snapshot of a fold version after a stream's name, and whether it belongs to this log.
select
    snapshots.stream,
    snapshots.version,
    snapshots.state::text as state,
    exists (
        select from events
        where events.stream = snapshots.stream
            and events.version = snapshots.version
            and events.chain = snapshots.chain
    ) as is_of_this_log
from snapshots
where snapshots.fold_version = $1 and snapshots.stream > $2
order by snapshots.stream
limit 1
