-- Gives every lane a checkpoint before its first position; those that exist stay where they are.
insert into checkpoints (projection, version, lane, position, chain)
select $1, $2, lane, 0, decode(repeat('00', 32), 'hex')
from (select distinct lane from slots) as lanes
on conflict (projection, version, lane) do nothing
