-- What events ($1, $2) hold of some members ($3), and the hashes of their data with and without those; in the
-- order of their places.
select
    events.lane,
    events.position,
    held.members,
    data_hash(events.data) as hash_before,
    data_hash(redacted_data(events.data, held.members)) as hash_after
from unnest($1::smallint[], $2::bigint[]) as asked (lane, position)
join events on events.lane = asked.lane and events.position = asked.position
cross join lateral (select held_members(events.data, events.sealed, $3::text[]) as members) as held
order by events.lane, events.position
