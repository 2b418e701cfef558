-- Changes lines that still wait: how much, in which turn (null: as before) and until when. Rows that are ahead
-- stay unchanged.
update waitlist
set waiting = changed.waiting,
    turn = coalesce(changed.turn, waitlist.turn),
    wait_until = changed.wait_until,
    version = changed.version,
    position = changed.position,
    updated_at = changed.updated_at
from unnest(
    $1::text[], $2::bigint[], $3::bigint[], $4::smallint[], $5::timestamptz[], $6::bigint[], $7::bigint[],
    $8::timestamptz[]
) as changed (reservation, line, waiting, turn, wait_until, version, position, updated_at)
where waitlist.reservation = changed.reservation
    and waitlist.line = changed.line
    and waitlist.position < changed.position
