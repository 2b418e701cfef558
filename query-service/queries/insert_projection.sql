-- Makes a version the one that answers, if none does yet.
insert into projections (name, active_version) values ($1, $2)
on conflict (name) do nothing
