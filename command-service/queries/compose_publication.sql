-- The statements, one a row and in order, after which the publication has the events and role $1 with password $2
-- may follow it, and may do nothing else in this database. Not part of it: what only serves repeated commands. The
-- server quotes the names and the password, and logs neither statement nor password.
with published (columns) as (
    values (
        'lane, position, stream, version, type, schema_version, occurred_at, recorded_at, actor, correlation_id, '
        'causation_id, data, data_hash, chain, traceparent, credential, subject, sealed, redacted, personal_hash'
    )
)
select format(statement, $1::text, $2::text, columns, current_database())
from published,
    unnest(array[
        'set local log_statement = ''none''',
        'set local log_min_error_statement = ''panic''',
        'create publication stockbook_log with (publish = ''insert, update'')',
        'alter publication stockbook_log set table events (%3$s)',
        'create role %1$I login replication nosuperuser nocreatedb nocreaterole noinherit password %2$L',
        'grant connect on database %4$I to %1$I',
        'grant usage on schema public to %1$I',
        'grant select (%3$s) on events to %1$I'
    ]) with ordinality as step(statement, place)
where place <> 3 or not exists (select from pg_publication where pubname = 'stockbook_log')
order by place
