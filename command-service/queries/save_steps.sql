-- Stores the decisions on steps in a pass, except on steps that this pass had already decided.
update reversal_steps
set state = case when decided.refusal is null then 'reversed' else 'refused' end,
    tried = $2,
    refusal = decided.refusal::json,
    may_yet = decided.may_yet
from unnest($3::integer[], $4::text[], $5::boolean[]) as decided (nth, refusal, may_yet)
where reversal_steps.reversal = $1
    and reversal_steps.nth = decided.nth
    and reversal_steps.tried < $2
