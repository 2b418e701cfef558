-- Deletes a version that no service follows, with its checkpoints and stops. The record of its skipped
-- events stays.
with gone as (
    delete from projection_versions
    where projection = $1 and version = $2 and state = 'filling'
    returning projection, version
),
stops as (
    delete from stopped_lanes using gone
    where stopped_lanes.projection = gone.projection and stopped_lanes.version = gone.version
)
delete from checkpoints using gone
where checkpoints.projection = gone.projection and checkpoints.version = gone.version
