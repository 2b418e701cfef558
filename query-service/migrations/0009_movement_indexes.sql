-- Fewer indexes that each movement of stock has to be put into. Those that begin with a sku are dear:
-- their rows go anywhere in them, and every one of them cost as much as all the others together.

-- The index of pairs answers what those by sku and by occurrence did. A pair stands in one lane, so its
-- positions are also the order in which it was recorded; the movements of a sku are those of its pairs,
-- a page of each at most; and a sum over the time of occurrence goes through the pair's rows, as it did
-- before for any time that is not long past.
do $$
declare
    version name;
begin
    for version in select nspname from pg_namespace where nspname ~ '^stock_v[0-9]+$' loop
        execute format('drop index if exists %I.movements_by_sku', version);
        execute format('drop index if exists %I.movements_by_occurrence', version);
        -- A version that is being filled gets its indexes when it is full.
        if to_regclass(format('%I.movements_by_pair', version)) is not null then
            execute format('drop index %I.movements_by_pair', version);
            execute format(
                'create index movements_by_pair on %I.movements (sku, location, position)
                    include (
                        occurred_at, recorded_at, type, on_hand_delta, reserved_delta, allocated_delta
                    )',
                version
            );
        end if;
    end loop;
end
$$;
