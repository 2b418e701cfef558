-- Ends the publication of the events, if there is one.
drop publication if exists stockbook_log
