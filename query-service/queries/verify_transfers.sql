-- Every transfer that was written from a lane ($1), its contents as text, its time in the form of the
-- events, and the places it is found by; none when one sku is asked for ($2).
select
    'transfer/' || id as key,
    version,
    position,
    updated_at,
    made_at,
    false as retired,
    array[
        status,
        coalesce(to_char(expected_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), ''),
        overdue::text,
        coalesce(reference_type, ''),
        coalesce(reference_id, ''),
        coalesce(reference_line, ''),
        lines::text,
        (
            select
                coalesce(
                    string_agg(
                        case when leaves then 'from ' else 'to ' end || location, ' '
                        order by leaves, location
                    ),
                    ''
                )
            from transfer_places
            where transfer_places.id = transfers.id and transfer_places.made_at = transfers.made_at
        )
    ] as contents
from transfers
where lane = $1 and $2::text is null
