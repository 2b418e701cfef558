-- The pass that a job is in; no row when it is done.
select pass
from reversal_jobs
where reversal = $1 and not is_done
