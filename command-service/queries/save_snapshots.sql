-- Saves the states of streams, where the log has the event that a state ends with and no later state of the
-- same log is saved. Sorted by stream, so that two writers cannot deadlock.
insert into snapshots (stream, fold_version, version, chain, state, recorded_at)
select events.stream, $1, events.version, events.chain, folded.state::json, clock_timestamp()
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
