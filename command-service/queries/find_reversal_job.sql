-- A job and its progress.
select
    request_hash, position, events, steps, is_done,
    (
        select count(*) from reversal_steps
        where reversal_steps.reversal = $1 and state = 'reversed'
    ) as reversed,
    (
        select count(*) from reversal_steps
        where reversal_steps.reversal = $1 and state = 'refused'
    ) as refused
from reversal_jobs
where reversal = $1
