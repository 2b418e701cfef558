-- The current pass of a job; no row when the job is done.
select pass
from reversal_jobs
where reversal = $1 and not is_done
