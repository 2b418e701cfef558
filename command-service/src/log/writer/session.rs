//! The writer's own connection to Postgres.
//!
//! A batch takes it and gives it back after each step. A step that fails drops it, which closes it, so no
//! failed transaction is ever continued.

use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::postgres::PgConnection;
use tokio::time::timeout;

use crate::config::DatabaseUrl;

/// The longest transaction of the writer.
pub(crate) const TRANSACTION_MAX: Duration = Duration::from_secs(15);

/// Limits the harm of a paused or disconnected writer: Postgres ends its transaction, and so its locks,
/// after five idle seconds. Waiting for a lock times out later than that.
const SETTINGS: [(&str, &str); 8] = [
    ("synchronous_commit", "on"),
    ("idle_in_transaction_session_timeout", "5s"),
    ("lock_timeout", "8s"),
    ("statement_timeout", "10s"),
    ("tcp_keepalives_idle", "5"),
    ("tcp_keepalives_interval", "1"),
    ("tcp_keepalives_count", "5"),
    ("tcp_user_timeout", "10s"),
];

#[derive(Debug, thiserror::Error)]
pub(crate) enum SessionError {
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    #[error("no answer within {0:?}")]
    Timeout(Duration),
}

/// Keeps one connection between batches.
#[derive(Debug)]
pub(crate) struct Session {
    database: DatabaseUrl,
    connect_timeout: Duration,
    idle: Option<PgConnection>,
}

impl Session {
    pub(crate) fn new(database: DatabaseUrl, connect_timeout: Duration) -> Self {
        Self { database, connect_timeout, idle: None }
    }

    /// Takes the connection, or makes a new one.
    pub(crate) async fn take(&mut self) -> Result<PgConnection, SessionError> {
        if let Some(connection) = self.idle.take() {
            return Ok(connection);
        }
        let transaction_max = format!("{}s", TRANSACTION_MAX.as_secs());
        let options = self.database.options().application_name("command-service writer");
        let options =
            options.options(SETTINGS).options([("transaction_timeout", &transaction_max)]);
        let connecting = timeout(self.connect_timeout, options.connect());
        Ok(connecting.await.map_err(|_| SessionError::Timeout(self.connect_timeout))??)
    }

    /// Closes the connection, and so ends its transaction.
    pub(crate) fn discard(&mut self) {
        self.idle = None;
    }

    pub(crate) fn give_back(&mut self, connection: PgConnection) {
        self.idle = Some(connection);
    }
}
