-- The first alerts about overdue transfers in their outbox ($1 at most), in order for each lane.
select
    lane, position, transfer, expected_at, recorded_at, reference_type, reference_id, reference_line
from overdue_outbox
order by lane, position
limit $1
