-- Whether the lane exists.
select exists (select from lanes where lane = $1)
