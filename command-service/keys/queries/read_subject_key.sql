-- A key by its number, with whose it is or was.
select subject, sealed, master_key
from subject_keys
where number = $1
