//! The writer's own connection to Postgres.
//!
//! It is taken for each batch and given back after its commit; a batch that fails drops it, which
//! closes it hard, so nothing of a failed transaction can be met again.

use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::postgres::PgConnection;
use tokio::time::timeout;

use crate::config::DatabaseUrl;

/// What a paused or cut-off writer may cost others: Postgres ends its transaction, and with it its
/// locks, after five idle seconds. Waiting for a lock takes longer than that before it gives up.
const SETTINGS: [(&str, &str); 9] = [
    ("synchronous_commit", "on"),
    ("idle_in_transaction_session_timeout", "5s"),
    ("lock_timeout", "8s"),
    ("statement_timeout", "10s"),
    ("transaction_timeout", "15s"),
    ("tcp_keepalives_idle", "5"),
    ("tcp_keepalives_interval", "1"),
    ("tcp_keepalives_count", "5"),
    ("tcp_user_timeout", "10s"),
];

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum SessionError {
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    #[error("no answer within {0:?}")]
    Timeout(Duration),
}

/// Keeps one connection between batches.
#[derive(Debug)]
pub(super) struct Session {
    database: DatabaseUrl,
    connect_timeout: Duration,
    idle: Option<PgConnection>,
}

impl Session {
    pub(super) fn new(database: DatabaseUrl, connect_timeout: Duration) -> Self {
        Self { database, connect_timeout, idle: None }
    }

    /// The connection, made anew where there is none.
    pub(super) async fn take(&mut self) -> Result<PgConnection, SessionError> {
        if let Some(connection) = self.idle.take() {
            return Ok(connection);
        }
        let options =
            self.database.options().application_name("command-service writer").options(SETTINGS);
        let connecting = timeout(self.connect_timeout, options.connect());
        Ok(connecting.await.map_err(|_| SessionError::Timeout(self.connect_timeout))??)
    }

    /// Keeps the connection for the next batch.
    pub(super) fn give_back(&mut self, connection: PgConnection) {
        self.idle = Some(connection);
    }
}
