-- How many events have personal data of a subject.
select count(*) as count from events where subject = $1
