-- The keys of fingerprints that another master key than $1 seals.
select log, sealed, master_key
from fingerprint_keys
where master_key <> $1
