-- The newest skipped events of the versions that are followed, at most $1.
select s.projection, s.version, s.lane, s.position, s.event, s.error, s.reason, s.skipped_at
from skipped_events s
join projection_versions v using (projection, version)
where v.state = 'followed'
order by s.skipped_at desc, s.projection, s.version, s.lane, s.position
limit $1
