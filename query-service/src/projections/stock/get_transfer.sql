-- One transfer ($3), and how far its lane ($2) is applied: one statement, so one moment. One row if the lane
-- exists.
select
    c.lane,
    c.position as applied,
    transfers.id is not null as present,
    transfers.id,
    transfers.status,
    transfers.expected_at,
    transfers.overdue,
    transfers.reference_type,
    transfers.reference_id,
    transfers.reference_line,
    transfers.lines,
    transfers.made_at,
    transfers.version,
    transfers.position,
    transfers.updated_at
from checkpoints c
left join transfers on transfers.id = $3
where c.projection = 'stock' and c.version = $1 and c.lane = $2
