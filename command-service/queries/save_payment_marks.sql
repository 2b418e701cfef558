-- Notes that the brokers have the requests of these lanes up to these positions. A mark never goes back.
insert into payment_marks (lane, position)
select * from unnest($1::smallint[], $2::bigint[])
on conflict (lane) do update set position = greatest(payment_marks.position, excluded.position)
