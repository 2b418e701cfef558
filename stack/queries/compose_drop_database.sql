-- The statement that drops database $1, ending its sessions; nothing happens when there is none.
select format('drop database if exists %I with (force)', $1::text)
