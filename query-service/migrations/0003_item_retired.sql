-- An item that is not traded any more stays known, with its history.
alter table stock_v1.items add column retired boolean not null default false;
