-- Redaction: the one way to take bytes out of a recorded event (decision 39).
--
-- It goes through one function, redact_events, whose owner is a role that nobody logs in as. The triggers let
-- this role change a row, it may change these columns only, and the function does what an EventsRedacted of the
-- same transaction says and nothing else. Every other change is refused as before.

do $$
begin
    if not exists (select from pg_roles where rolname = 'stockbook_redactor') then
        raise exception 'the role stockbook_redactor is missing: create it as deploy/postgres/roles-and-databases.sql does';
    end if;
end
$$;

-- What was removed from the event, and the hash of its personal data if that was. `data_hash` stays the hash of
-- the data that was recorded: it is what the chain covers.
alter table events
    add column redacted text[],
    add column personal_hash bytea;

create or replace function refuse_change() returns trigger language plpgsql as $$
begin
    if tg_op = 'UPDATE' and tg_level = 'ROW' and current_user = 'stockbook_redactor' then
        return new;
    end if;
    raise exception 'events are append-only: % is refused', tg_op
        using errcode = 'insufficient_privilege';
end
$$;

-- Which of these members an event holds.
create function held_members(data json, sealed text, members text[])
returns text[]
language sql
immutable
as $$
    select coalesce(array_agg(distinct member), '{}')
    from unnest(members) as member
    where case member
        when 'note' then coalesce(data #>> '{context,note}', data #>> '{after,context,note}')
        when 'metadata' then coalesce(data #>> '{context,metadata}', data #>> '{after,context,metadata}')
        when 'reference' then coalesce(data #>> '{reference}', data #>> '{after,reference}')
        when 'payment' then data #>> '{payment}'
        when 'personal' then sealed
    end is not null
$$;

-- What is left of an event's data without these members.
create function redacted_data(data json, members text[])
returns json
language plpgsql
immutable
as $$
declare
    rest jsonb := data;
begin
    if 'note' = any(members) then
        rest := rest #- '{context,note}' #- '{after,context,note}';
    end if;
    if 'metadata' = any(members) then
        rest := rest #- '{context,metadata}' #- '{after,context,metadata}';
    end if;
    if rest -> 'context' = '{}' then
        rest := rest - 'context';
    end if;
    if rest #> '{after,context}' = '{}' then
        rest := rest #- '{after,context}';
    end if;
    if 'reference' = any(members) then
        rest := rest - 'reference' #- '{after,reference}';
    end if;
    if 'payment' = any(members) then
        rest := rest - 'payment';
    end if;
    return rest::json;
end
$$;

-- SHA-256 of an event's data (shared_events::chain::data_hash).
create function data_hash(data json)
returns bytea
language sql
immutable
return sha256(convert_to(data::text, 'UTF8'));

-- SHA-256 of personal data (shared_events::personal).
create function personal_hash(subject text, sealed text)
returns bytea
language sql
immutable
return sha256(
    int8send(octet_length(subject)) || convert_to(subject, 'UTF8')
    || int8send(octet_length(sealed)) || convert_to(sealed, 'UTF8')
);

-- Does what EventsRedacted at these places say, which the same transaction has recorded, and takes the same out
-- of what was derived from the events. Fails if one of them is anything else, or if an event is not as it says.
create function redact_events(lanes smallint[], positions bigint[])
returns void
language plpgsql
volatile
security definer
set search_path = public, pg_temp
as $$
declare
    announced bigint;
    streams text[];
    jobs json;
    documents jsonb[];
begin
    create temporary table announcement on commit drop as
    select
        one.lane,
        split_part(named.id, '-', 2)::bigint as position,
        named.members,
        named.hash_before,
        named.hash_after
    from unnest(redact_events.lanes, redact_events.positions) as asked (lane, position)
    join events as one
        on one.lane = asked.lane
        and one.position = asked.position
        and one.type = 'EventsRedacted'
        and one.xmin = pg_current_xact_id()::xid
    cross join json_to_recordset(one.data -> 'events')
        as named (id text, members text[], hash_before text, hash_after text)
    where split_part(named.id, '-', 1)::int = one.lane
        and split_part(named.id, '-', 2)::bigint < one.position;

    select count(*) into announced from announcement;
    if announced = 0 or announced <> (
        select sum(json_array_length(one.data -> 'events'))
        from unnest(redact_events.lanes, redact_events.positions) as asked (lane, position)
        join events as one on one.lane = asked.lane and one.position = asked.position
    ) then
        raise exception 'a redaction is done only as an EventsRedacted of the same transaction says';
    end if;

    -- What was derived from the events.
    select
        array_agg(distinct events.stream),
        json_agg(json_build_object('reversal', events.data ->> 'reversal', 'members', announcement.members))
            filter (where events.data ->> 'reversal' is not null)
    into streams, jobs
    from announcement
    join events on events.lane = announcement.lane and events.position = announcement.position;
    select array_agg(distinct document)
    into documents
    from announcement
    join events on events.lane = announcement.lane and events.position = announcement.position
    cross join unnest(array[
        events.data::jsonb -> 'reference', events.data::jsonb #> '{after,reference}'
    ]) as document
    where 'reference' = any(announcement.members) and jsonb_typeof(document) = 'object';

    update events
    set data = redacted_data(events.data, announcement.members),
        personal_hash = case
            when 'personal' = any(announcement.members) then personal_hash(events.subject, events.sealed)
            else events.personal_hash
        end,
        subject = case when 'personal' = any(announcement.members) then null else events.subject end,
        sealed = case when 'personal' = any(announcement.members) then null else events.sealed end,
        redacted = array(
            select distinct member
            from unnest(coalesce(events.redacted, '{}') || announcement.members) as member
            order by member
        )
    from announcement
    where events.lane = announcement.lane
        and events.position = announcement.position
        and held_members(events.data, events.sealed, announcement.members) @> announcement.members
        and encode(data_hash(events.data), 'hex') = announcement.hash_before
        and encode(data_hash(redacted_data(events.data, announcement.members)), 'hex')
            = announcement.hash_after;
    if not found or announced <> (
        select count(*)
        from announcement
        join events on events.lane = announcement.lane and events.position = announcement.position
        where events.redacted @> announcement.members
            and encode(data_hash(events.data), 'hex') = announcement.hash_after
    ) then
        raise exception 'an event is not as the redaction says';
    end if;

    delete from snapshots where stream = any(streams);
    if documents is not null then
        update commands
        set outcome = (
            outcome::jsonb #- '{unchanged,reservation,reference}' #- '{rejected,reference}'
        )::json
        where outcome::jsonb #> '{unchanged,reservation,reference}' = any(documents)
            or outcome::jsonb #> '{rejected,reference}' = any(documents);
    end if;
    update reversal_jobs
    set request = jsonb_set(
        request::jsonb, '{cause}', redacted_data(request -> 'cause', job.members)::jsonb
    )::json
    from json_to_recordset(jobs) as job (reversal text, members text[])
    where reversal_jobs.reversal = job.reversal;
end
$$;

grant select on events, snapshots, commands, reversal_jobs to stockbook_redactor;
grant update (data, subject, sealed, redacted, personal_hash) on events to stockbook_redactor;
grant delete on snapshots to stockbook_redactor;
grant update (outcome) on commands to stockbook_redactor;
grant update (request) on reversal_jobs to stockbook_redactor;

revoke execute on function redact_events from public;
grant execute on function redact_events to stockbook_command;

-- A function is given away by who may act as the new owner, and only where that one may create.
do $$ begin execute format('grant temporary on database %I to stockbook_redactor', current_database()); end $$;
grant create, usage on schema public to stockbook_redactor;
alter function redact_events owner to stockbook_redactor;
revoke create on schema public from stockbook_redactor;
