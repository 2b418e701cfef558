-- Sets the stock of every named sku at a location.
insert into stock (sku, location, on_hand)
select sku, $2, $3 from unnest($1::text[]) as sku
on conflict (sku, location) do update set on_hand = excluded.on_hand, reserved = 0
