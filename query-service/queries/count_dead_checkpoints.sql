-- How many versions of checkpoints nobody can remove or has removed yet, as the statistics know.
select n_dead_tup
from pg_stat_user_tables
where relid = 'public.checkpoints'::regclass
