-- Reservations, as they stand after their last step. A version that does not know this table stops
-- in front of the first event about a reservation, so no such event was applied before it was there.

-- A row is written from the reservation's own stream only; what a step does to the figures comes
-- from the stock streams, perhaps in other lanes.
create table stock_v1.reservations (
    position bigint not null,
    version bigint not null,
    updated_at timestamptz not null,
    -- When its first step was recorded.
    made_at timestamptz not null,
    -- When the hold ends, or ended.
    expires_at timestamptz not null,
    lane smallint not null,
    id text collate "C" primary key,
    -- For whom, as an opaque id.
    owner text collate "C" not null,
    -- held, confirmed, fulfilled, released, expired or cancelled. A hold past its end is held until
    -- its expiry is recorded.
    status text collate "C" not null,
    -- The outside document, such as the cart or the order.
    reference_type text collate "C",
    reference_id text collate "C",
    reference_line text collate "C",
    -- What it is of: a list of {line, sku, location, requested, quantity, released, fulfilled,
    -- returned}. Read only with the whole reservation, so it is one value.
    lines json not null,
    -- How many those are, to bound a page without reading them.
    line_count integer not null generated always as (json_array_length(lines)) stored
);

-- Lists run from the newest to the oldest by (made_at, id), which never change; each filter has an
-- index that ends in that order.
create index reservations_by_time on stock_v1.reservations (made_at, id);
create index reservations_by_owner on stock_v1.reservations (owner, made_at, id);
create index reservations_by_status on stock_v1.reservations (status, made_at, id);
create index reservations_by_reference
    on stock_v1.reservations (reference_type, reference_id, made_at, id)
    where reference_id is not null;

grant select, insert, update, delete on stock_v1.reservations to stockbook_query;
