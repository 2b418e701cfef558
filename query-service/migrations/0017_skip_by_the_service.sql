-- An operator may skip an event by the service's API, too. What was skipped stays on record: the service adds
-- to it and changes nothing.
grant insert on skipped_events to stockbook_query;
