-- Every reservation that was written from a lane ($1), its lines as the text they are stored as; none
-- when one sku is asked for ($2).
select
    id, owner, status, expires_at, reference_type, reference_id, reference_line,
    lines::text as lines, made_at, version, position, updated_at
from reservations
where lane = $1 and $2::text is null
