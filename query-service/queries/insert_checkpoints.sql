-- Inserts a checkpoint before the first position of every lane, in every version of a projection, where
-- there is none.
insert into checkpoints (projection, version, lane, position, chain)
select projection, version, lane, 0, decode(repeat('00', 32), 'hex')
from projection_versions
cross join (select distinct lane from slots) as lanes
where projection = $1
on conflict (projection, version, lane) do nothing
