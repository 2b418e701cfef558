-- Whether two versions (schemas $1 and $2) of a table ($3) have the same rows of a lane ($4), and the
-- number of rows in the first.
select one.count, one.count = other.count and one.checksum = other.checksum as same
from checksum_rows($1, $3, $4) as one
cross join checksum_rows($2, $3, $4) as other
