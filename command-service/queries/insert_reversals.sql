-- Records which events are reversed. The primary key refuses a second reversal of an event.
insert into reversals (lane, position, by_lane, by_position, reversal)
select lane, position, by_lane, by_position, reversal
from unnest($1::smallint[], $2::bigint[], $3::smallint[], $4::bigint[], $5::text[])
    as reversed (lane, position, by_lane, by_position, reversal)
