-- The lanes in which the version of a projection that answers queries stands still, with the event that each
-- waits at; at most $1.
select s.projection, s.lane, s.event
from stopped_lanes s
join projections p on p.name = s.projection and p.active_version = s.version
order by s.projection, s.lane
limit $1
