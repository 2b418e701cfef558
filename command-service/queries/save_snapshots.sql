-- Stores states as of events that are in the log, and only where there is no later one of the same log.
-- Sorted by stream, so that two writers cannot deadlock on the primary key.
insert into snapshots (stream, fold_version, version, chain, state, recorded_at)
select events.stream, $1, events.version, events.chain, folded.state::json, $5
from unnest($2::text[], $3::bigint[], $4::text[]) as folded (stream, version, state)
join events on events.stream = folded.stream and events.version = folded.version
order by events.stream
on conflict (stream) do update
set fold_version = excluded.fold_version,
    version = excluded.version,
    chain = excluded.chain,
    state = excluded.state,
    recorded_at = excluded.recorded_at
where excluded.version >= snapshots.version
    or not exists (
        select from events
        where events.stream = snapshots.stream
            and events.version = snapshots.version
            and events.chain = snapshots.chain
    )
