-- Adds an API key, unless there are as many as the services are ready to know.
insert into api_keys (id, hash, name, scopes, locations, rate, expires_at)
select $1, $2, $3, $4, $5, $6, $7
where (select count(*) from api_keys where revoked_at is null) < $8
