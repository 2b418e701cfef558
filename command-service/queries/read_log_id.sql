-- The name of this log, which a restored copy has, too.
select id::text as id from log_identity
