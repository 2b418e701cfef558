-- Requests to the payment service are events of orders. A publisher sends them to their own topic and notes
-- how far it is, so a request is recorded once and sent at least once.

-- Finds the requests of a lane after a position. No other event is in it.
create index events_payment_requests on events (lane, position) where type = 'PaymentRequested';

-- Up to which position of a lane the brokers have every request; no row before the first.
create table payment_marks (
    lane smallint primary key references lanes (lane),
    position bigint not null check (position >= 0)
);

grant select, insert, update on payment_marks to stockbook_command;
