-- Notes which events were taken back; the primary key refuses to note one twice.
insert into reversals (lane, position, by_lane, by_position, reversal)
select lane, position, by_lane, by_position, reversal
from unnest($1::smallint[], $2::bigint[], $3::smallint[], $4::bigint[], $5::text[])
    as reversed (lane, position, by_lane, by_position, reversal)
