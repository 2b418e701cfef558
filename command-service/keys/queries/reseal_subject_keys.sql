-- Seals keys of subjects with another master key; those that were deleted meanwhile stay deleted.
update subject_keys
set sealed = new.sealed, master_key = $3
from unnest($1::bigint[], $2::bytea[], $4::text[]) as new (number, sealed, from_master)
where subject_keys.number = new.number
    and subject_keys.sealed is not null
    and subject_keys.master_key = new.from_master
