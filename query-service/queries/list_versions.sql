-- Every version of every projection, and which of them answers.
select v.projection, v.version, v.state = 'filling' as filling, v.version = p.active_version as active
from projection_versions v
join projections p on p.name = v.projection
order by v.projection, v.version
