-- Stores the steps of a job in order.
insert into reversal_steps (reversal, nth, correlation_id, lanes, positions)
select $1, nth, correlation_id, lanes::smallint[], positions::bigint[]
from unnest($2::text[], $3::text[], $4::text[]) with ordinality
    as step (correlation_id, lanes, positions, nth)
