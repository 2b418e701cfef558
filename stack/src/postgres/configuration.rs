//! The configuration of Postgres: durable, with the size of a developer's machine.

use std::path::Path;

/// Only this machine may connect, with a password.
pub(crate) const CLIENT_RULES: &str = "\
# database  user  address        method
host  all   all   127.0.0.1/32   scram-sha-256
";

/// The text of `postgresql.conf`.
pub(crate) fn postgresql_conf(port: u16, client_rules: &Path, counts_statements: bool) -> String {
    let libraries = if counts_statements { "pg_stat_statements" } else { "" };
    format!(
        "\
hba_file = {client_rules}
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = ''
password_encryption = 'scram-sha-256'

# A confirmed commit is on the disk.
fsync = on
synchronous_commit = on
full_page_writes = on

# Services, tests in parallel, and a person with psql.
max_connections = 300
shared_buffers = '256MB'
effective_cache_size = '2GB'
min_wal_size = '256MB'
max_wal_size = '2GB'
checkpoint_timeout = '15min'
random_page_cost = 1.1
jit = off

shared_preload_libraries = '{libraries}'
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %q%u@%d '
lc_messages = 'C'
",
        client_rules = quoted(client_rules),
    )
}

/// A path as a value: in single quotes, with quotes and backslashes doubled.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_in_a_path_ends_no_value() {
        let text = postgresql_conf(54329, Path::new("/home/o'hara/pg_hba.conf"), false);
        assert!(text.contains("hba_file = '/home/o''hara/pg_hba.conf'\n"));
    }
}
