-- Gives every lane a mark before its first alert; those that exist stay where they are.
insert into alert_marks (lane, position)
select distinct lane, 0 from slots
on conflict (lane) do nothing
