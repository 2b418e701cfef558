-- Every reservation that was written from a lane ($1), its contents as text, its time in the
-- form of the events; none when one sku is asked for ($2).
select
    'reservation/' || id as key,
    version,
    position,
    updated_at,
    made_at,
    false as retired,
    array[
        owner,
        status,
        to_char(expires_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        coalesce(reference_type, ''),
        coalesce(reference_id, ''),
        coalesce(reference_line, ''),
        lines::text,
        coalesce(to_char(wait_until at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), ''),
        coalesce(priority::text, '')
    ] as contents
from reservations
where lane = $1 and $2::text is null
