-- How often the API keys were changed.
select version
from api_key_changes
