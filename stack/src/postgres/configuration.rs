//! What Postgres is told: safe settings first, then a size that fits a developer's machine.

use std::path::Path;

/// Who may connect: everybody from this machine, with a password.
pub(super) const CLIENT_RULES: &str = "\
# database  user  address        method
host  all   all   127.0.0.1/32   scram-sha-256
";

/// The settings that differ from server to server.
pub(super) struct Configuration<'a> {
    /// The port on 127.0.0.1.
    pub(super) port: u16,
    /// The file of [`CLIENT_RULES`].
    pub(super) client_rules: &'a Path,
    /// Whether these binaries can count statements.
    pub(super) statement_statistics: bool,
}

impl Configuration<'_> {
    /// The text of `postgresql.conf`.
    pub(super) fn text(&self) -> String {
        let libraries = if self.statement_statistics { "pg_stat_statements" } else { "" };
        format!(
            "\
hba_file = {client_rules}
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = ''
password_encryption = 'scram-sha-256'

# An answered commit is on the disk.
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
            client_rules = quoted(self.client_rules),
            port = self.port,
        )
    }
}

/// A path as a value: in single quotes, those inside doubled, and backslashes too.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(statement_statistics: bool) -> String {
        let configuration = Configuration {
            port: 54329,
            client_rules: Path::new("/home/o'hara/pg_hba.conf"),
            statement_statistics,
        };
        configuration.text()
    }

    #[test]
    fn a_commit_is_on_the_disk_and_nobody_outside_is_let_in() {
        let text = text(true);
        for line in [
            "fsync = on",
            "synchronous_commit = on",
            "full_page_writes = on",
            "listen_addresses = '127.0.0.1'",
            "port = 54329",
            "shared_preload_libraries = 'pg_stat_statements'",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}");
        }
    }

    #[test]
    fn a_quote_in_a_path_ends_no_value() {
        assert!(text(true).contains("hba_file = '/home/o''hara/pg_hba.conf'\n"));
    }

    #[test]
    fn binaries_without_the_library_are_not_asked_for_it() {
        assert!(text(false).contains("shared_preload_libraries = ''\n"));
    }
}
