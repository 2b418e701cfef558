-- The key of a log's fingerprints.
select sealed, master_key
from fingerprint_keys
where log = $1
