-- API keys: who may ask for what. Of the text of a key only its hash is stored. Only the owner makes and revokes
-- keys; the service reads them.

create table api_keys (
    id text primary key check (id ~ '^[A-Za-z0-9]{12}$'),
    -- SHA-256 of the whole text of the key.
    hash bytea not null check (octet_length(hash) = 32),
    -- The actor of what the key asks for.
    name text not null check (char_length(name) between 1 and 255),
    scopes text[] not null check (cardinality(scopes) > 0),
    -- Null: all locations.
    locations text[] check (cardinality(locations) > 0),
    -- Requests a second; null: what the service allows.
    rate integer check (rate > 0),
    created_at timestamptz not null default now(),
    expires_at timestamptz,
    revoked_at timestamptz
);

-- How often the keys were changed: one small row says whether what a service knows is still so.
create table api_key_changes (
    singleton boolean primary key default true check (singleton),
    version bigint not null
);

insert into api_key_changes (version) values (0);

create function count_api_key_change() returns trigger
language plpgsql
as $$
begin
    update api_key_changes set version = version + 1;
    return null;
end
$$;

create trigger api_keys_changed
after insert or update or delete or truncate on api_keys
for each statement execute function count_api_key_change();

grant select on api_keys, api_key_changes to stockbook_command;
