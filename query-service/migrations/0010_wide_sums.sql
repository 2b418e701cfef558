-- Sums of amounts that no sequence of accepted commands can overflow. One amount, and each figure of one
-- pair of sku and location, fits bigint; the total of a sku over its locations, what came in on one day,
-- and what had happened by some moment are sums of any number of them.

do $$
declare
    version name;
begin
    -- A generated column has to go before the columns that it is made of can change.
    for version in select nspname from pg_namespace where nspname ~ '^stock_v[0-9]+$' loop
        execute format('alter table %I.stock_totals drop column available', version);
        execute format(
            'alter table %I.stock_totals
                alter column on_hand type numeric,
                alter column reserved type numeric,
                alter column allocated type numeric',
            version
        );
        execute format(
            'alter table %I.stock_totals add column available numeric not null
                generated always as (on_hand - reserved - allocated) stored',
            version
        );
    end loop;
    for version in select nspname from pg_namespace where nspname ~ '^daily_flow_v[0-9]+$' loop
        execute format('alter table %I.days drop column net', version);
        execute format(
            'alter table %I.days
                alter column incoming type numeric,
                alter column outgoing type numeric,
                alter column returned type numeric,
                alter column adjusted type numeric',
            version
        );
        execute format(
            'alter table %I.days add column net numeric not null
                generated always as (incoming - outgoing + returned + adjusted) stored',
            version
        );
    end loop;
end
$$;

-- As before, with sums that are wide enough. It names tables of whichever version the connection looks
-- at, so they are not looked up here.
set local check_function_bodies to off;

drop function public.figure_then(text, text, bigint, timestamptz);

create function public.figure_then(text, text, bigint, timestamptz)
returns table (
    on_hand numeric,
    reserved numeric,
    allocated numeric,
    available numeric,
    -- How many events those are.
    version bigint,
    -- The last of them, and when it was recorded.
    "position" bigint,
    updated_at timestamptz
)
language sql
stable
rows 1
as $$
    select *
    from (
        select
            last.on_hand::numeric, last.reserved::numeric, last.allocated::numeric,
            (last.on_hand - last.reserved - last.allocated)::numeric,
            last.version, last.position, last.recorded_at
        from movements as last
        where last.sku = $1 and last.location = $2 and last.position <= $3 and $4 is null
        order by last.position desc
        limit 1
    ) as balance
    union all
    select
        sum(one.on_hand_delta),
        sum(one.reserved_delta),
        sum(one.allocated_delta),
        sum(one.on_hand_delta - one.reserved_delta - one.allocated_delta),
        count(*),
        max(one.position),
        max(one.recorded_at)
    from movements as one
    where one.sku = $1 and one.location = $2 and one.occurred_at <= $4 and one.position <= $3
    having count(*) > 0
$$;

grant execute on function public.figure_then to stockbook_query;
