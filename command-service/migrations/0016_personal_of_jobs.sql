-- The reversal of a window may come with personal data. Its box is stored with the job, in `request.cause`, for
-- the events of the steps to come; redacting it in one of those events takes it out of the job too, by the
-- function that takes the note out of both.
create or replace function redacted_data(data json, members text[])
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
    -- Data of an event has no such member: there the box is a column.
    if 'personal' = any(members) then
        rest := rest - 'personal';
    end if;
    return rest::json;
end
$$;
