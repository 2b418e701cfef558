-- The past of a pair, and the movements of an item in a time, are found without reading the whole history.

-- They name tables of whichever version the connection looks at, so they are not looked up here.
set local check_function_bodies to off;

-- As before. Without a time in $4 the second part reads nothing: a plan that is made for any time would read every
-- movement up to the position and keep none.
create or replace function public.figure_then(text, text, bigint, timestamptz)
returns table (
    on_hand numeric,
    reserved numeric,
    allocated numeric,
    available numeric,
    incoming numeric,
    waiting numeric,
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
            (last.on_hand - last.reserved - last.allocated)::numeric, last.incoming::numeric,
            last.waiting::numeric, last.version, last.position, last.recorded_at
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
        sum(one.incoming_delta),
        sum(one.waiting_delta),
        count(*),
        max(one.position),
        max(one.recorded_at)
    from movements as one
    where one.sku = $1 and one.location = $2 and one.occurred_at <= $4 and one.position <= $3
        and $4 is not null
    having count(*) > 0
$$;

-- The last position of a lane with a movement that was recorded before a moment; 0 if there is none. In a lane the
-- time of recording never falls from position to position, so the place is found by halving.
create function public.position_before(asked_lane smallint, moment timestamptz)
returns bigint
language plpgsql
stable
as $$
declare
    low bigint := 0;
    high bigint;
    middle bigint;
    one record;
begin
    select max(position) into high from movements where lane = asked_lane;
    while low < high loop
        middle := low + (high - low + 1) / 2;
        select position, recorded_at into one
        from movements
        where lane = asked_lane and position >= middle
        order by position
        limit 1;
        if one.recorded_at < moment then
            low := one.position;
        else
            high := middle - 1;
        end if;
    end loop;
    return low;
end
$$;

grant execute on function public.position_before to stockbook_query;
