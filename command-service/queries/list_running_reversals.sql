-- The unfinished jobs, the oldest first, at most $1.
select reversal, request::text as request
from reversal_jobs
where not is_done
order by started_at
limit $1
