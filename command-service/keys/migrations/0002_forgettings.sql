-- How many keys were forgotten. As long as the number stays, keys that held still hold: so a service asks for one
-- number now and then, and not for each key before each append.
create table forgettings (
    only_row boolean primary key default true check (only_row),
    count bigint not null
);

insert into forgettings (count) values (0);

create function count_forgetting() returns trigger
language plpgsql
as $$
begin
    update forgettings set count = count + 1;
    return null;
end
$$;

-- Triggers, so that a key that an earlier version forgets, or that somebody deletes by hand, counts, too.
create trigger count_forgettings
after update of sealed on subject_keys
for each row
when (old.sealed is not null and new.sealed is null)
execute function count_forgetting();

create trigger count_deletions
after delete on subject_keys
for each row
when (old.sealed is not null)
execute function count_forgetting();

revoke all on forgettings from public;
grant select, update on forgettings to stockbook_command;

-- Every new key went into this index. Of keys that hold there is one for each subject, which
-- subject_keys_of_subject finds, so only forgotten ones need another.
create index subject_keys_forgotten on subject_keys (subject, made_at) where sealed is null;
drop index subject_keys_history;
