-- Creates a job; no row if a job with this id exists.
insert into reversal_jobs (
    reversal, request_hash, request, position, events, steps, is_done, started_at
)
values ($1, $2, $3::json, $4, $5, $6, $6::bigint = 0, clock_timestamp())
on conflict (reversal) do nothing
