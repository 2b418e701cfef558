-- Whether there is such a lane.
select exists (select from lanes where lane = $1)
