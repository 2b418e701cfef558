-- The next steps of a job, after the $2nd, that were not decided in pass $3 and may be reversed, at most $4.
select nth, lanes, positions
from reversal_steps
where reversal = $1
    and nth > $2
    and tried < $3
    and (state = 'waiting' or may_yet)
order by nth
limit $4
