-- The API keys that are not revoked, as of the version in every row; one row of nulls if there are none.
select
    api_key_changes.version,
    api_keys.id,
    api_keys.hash,
    api_keys.name,
    api_keys.scopes,
    api_keys.locations,
    api_keys.rate,
    api_keys.expires_at
from api_key_changes
left join api_keys on api_keys.revoked_at is null
    and (api_keys.expires_at is null or api_keys.expires_at > now())
order by api_keys.id
