-- The first row of a lane ($4) that only one of two versions (schemas $1 and $2) of a table ($3) has.
select schema, found from first_difference($1, $2, $3, $4)
