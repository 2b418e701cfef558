-- The first refused steps of a job, in order, at most $2.
select correlation_id, refusal::text as refusal
from reversal_steps
where reversal = $1 and state = 'refused'
order by nth
limit $2
