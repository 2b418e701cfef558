-- For each given stream, its snapshot of fold version $3, if the log still has the event that it ends with;
-- for an item ($2, next to its stream), also whether it has stock events. '0' is the character after '/'.
select
    asked.stream,
    snapshot.version,
    snapshot.state,
    exists (
        select from events
        where events.stream >= 'stock/' || asked.sku || '/'
            and events.stream < 'stock/' || asked.sku || '0'
    ) as is_stocked
from unnest($1::text[], $2::text[]) as asked (stream, sku)
left join lateral (
    select snapshots.version, snapshots.state::text as state
    from snapshots
    join events on events.stream = snapshots.stream
        and events.version = snapshots.version
        and events.chain = snapshots.chain
    where snapshots.stream = asked.stream and snapshots.fold_version = $3
    limit 1
) as snapshot on true
