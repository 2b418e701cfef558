-- Seals the key of a log's fingerprints with another master key, unless that is done.
update fingerprint_keys
set sealed = $2, master_key = $3
where log = $1 and master_key = $4
