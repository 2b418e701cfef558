-- The first steps of a job that were refused, in its order, at most $2.
select correlation_id, refusal::text as refusal
from reversal_steps
where reversal = $1 and state = 'refused'
order by nth
limit $2
