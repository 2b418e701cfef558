-- Gives every lane a checkpoint before its first position in every version of a projection; those
-- that exist stay where they are.
insert into checkpoints (projection, version, lane, position, chain)
select projection, version, lane, 0, decode(repeat('00', 32), 'hex')
from projection_versions
cross join (select distinct lane from slots) as lanes
where projection = $1
on conflict (projection, version, lane) do nothing
