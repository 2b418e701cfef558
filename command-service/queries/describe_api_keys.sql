-- Every API key that there ever was, oldest first, without its hash.
select id, name, scopes, locations, rate, created_at, expires_at, revoked_at
from api_keys
order by created_at, id
