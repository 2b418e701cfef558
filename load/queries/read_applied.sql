-- How many events the views reflect, in all lanes together.
select coalesce(sum(position), 0)::bigint from checkpoints
