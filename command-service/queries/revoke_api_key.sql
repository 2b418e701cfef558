-- Revokes an API key; the time of an earlier revocation stays. No row if there is no such key.
update api_keys
set revoked_at = coalesce(revoked_at, now())
where id = $1
returning id
