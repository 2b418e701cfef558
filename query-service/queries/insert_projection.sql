-- Makes version 1 of a projection the one that answers, if none does yet.
insert into projections (name, active_version) values ($1, 1)
on conflict (name) do nothing
