-- Writes the locations that each transfer leaves and goes to, with the time that its row has. Existing rows
-- stay unchanged.
insert into transfer_places (id, lane, leaves, location, made_at)
select place.id, place.lane, place.leaves, place.location, transfers.made_at
from unnest($1::text[], $2::smallint[], $3::boolean[], $4::text[])
    as place (id, lane, leaves, location)
join transfers on transfers.id = place.id
on conflict (id, leaves, location) do nothing
