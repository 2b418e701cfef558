-- A row of stock per item and location; half of a page is left free, so that an update stays on it.
create table if not exists stock (
    sku text collate "C" not null,
    location text collate "C" not null,
    on_hand bigint not null check (on_hand >= 0),
    reserved bigint not null default 0 check (reserved between 0 and on_hand),
    version bigint not null default 0,
    updated_at timestamptz not null default now(),
    primary key (sku, location)
) with (fillfactor = 50);

create table if not exists reservations (
    id uuid primary key,
    sku text collate "C" not null,
    location text collate "C" not null,
    quantity bigint not null check (quantity > 0),
    owner text not null,
    expires_at timestamptz not null
);

-- Outcomes of requests with an Idempotency-Key.
create table if not exists outcomes (
    key text collate "C" primary key,
    status smallint not null,
    body json not null,
    recorded_at timestamptz not null default now()
);
