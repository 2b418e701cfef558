-- The instances whose relays ($1, the beginning of their connections' names) have connected since a moment ($2).
select application_name || ' at ' || coalesce(host(client_addr), 'this machine')
from pg_stat_activity
where datname = current_database()
    and starts_with(application_name, $1)
    and backend_start > $2
