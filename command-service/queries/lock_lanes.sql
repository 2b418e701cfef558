-- Takes the locks of the given keys where they are free, never waiting, and then locks the given lanes
-- in ascending order, each that is needed without a key or with one that was taken, until the
-- transaction ends. Returns the keys that somebody else holds, and the lanes that are locked.
with keys as materialized (
    select key, pg_try_advisory_xact_lock(key) as is_taken
    from unnest($1::bigint[]) as key
)
select
    array(select key from keys where not is_taken) as busy,
    array(
        select lanes.lane
        from lanes
        where lanes.lane in (
            select needed.lane
            from unnest($2::smallint[], $3::bigint[]) as needed (lane, key)
            left join keys on keys.key = needed.key
            where needed.key is null or keys.is_taken
        )
        order by lanes.lane
        for update
    ) as locked
