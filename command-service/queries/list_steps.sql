-- The next steps of a job after number $2, at most $4: those that pass $3 has not decided and that may
-- still be reversed.
select nth, lanes, positions
from reversal_steps
where reversal = $1
    and nth > $2
    and tried < $3
    and (state = 'waiting' or may_yet)
order by nth
limit $4
