-- Ends a pass in which every step was decided. Starts another pass if this one reversed a step and a
-- refused step may succeed now; otherwise ends the job.
update reversal_jobs
set (pass, is_done) = (
    select
        case when again.again then $2 + 1 else $2 end,
        not again.again
    from (
        select
            exists (
                select from reversal_steps
                where reversal_steps.reversal = $1 and state = 'reversed' and tried = $2
            )
            and exists (
                select from reversal_steps
                where reversal_steps.reversal = $1 and state = 'refused' and may_yet
            ) as again
    ) as again
)
where reversal = $1 and pass = $2 and not is_done
