-- Stores an outcome under its key; a key that was used before is a unique violation.
insert into outcomes (key, status, body) values ($1, $2, $3)
