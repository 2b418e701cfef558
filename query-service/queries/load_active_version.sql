-- Which version of a projection answers queries; no row before the first migration.
select active_version from projections where name = $1
