//! The instance that holds a lane's advisory lock relays the lane.
//!
//! The locks live as long as their connection, which does nothing else. The server closes it when it
//! is silent for too long, so a paused or disconnected instance loses its lanes.

use std::time::Duration;

use shared_events::lane::{Lane, Position};
use sqlx::{ConnectOptions, Connection, PgConnection};
use tokio::time::timeout;

use crate::config::DatabaseUrl;
use crate::log::row::lane_number;

/// The first key of the relay's advisory locks; the second is the lane.
pub(super) const LOCK_CLASS: i32 = 0x0053_424B;

/// The name of the connection that holds the locks, before the process id.
pub(super) const OWNER: &str = "stockbook relay ";

/// How long one statement may take before the connection counts as dead.
const STATEMENT_MAX: Duration = Duration::from_secs(3);

pub(crate) struct Ownership {
    connection: PgConnection,
}

/// The connection is unusable, and all locks are lost.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OwnershipError {
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    #[error("the database did not answer in time")]
    TimedOut,
}

impl Ownership {
    pub(crate) async fn connect(database: &DatabaseUrl) -> Result<Self, OwnershipError> {
        let name = format!("{OWNER}{}", std::process::id());
        let options = database.options().application_name(&name).options([
            // Used every second; a silent owner counts as dead.
            ("idle_session_timeout", "8s"),
            ("statement_timeout", "3s"),
            ("tcp_keepalives_idle", "3"),
            ("tcp_keepalives_interval", "1"),
            ("tcp_keepalives_count", "3"),
            // A lost update only makes a mark a little older.
            ("synchronous_commit", "off"),
        ]);
        let connection = bounded(options.connect()).await?;
        Ok(Self { connection })
    }

    /// Takes the free locks among those of these lanes. Also keeps the connection alive.
    pub(crate) async fn lock(&mut self, lanes: &[Lane]) -> Result<Vec<Lane>, OwnershipError> {
        let lanes: Vec<i32> = lanes.iter().map(|lane| i32::from(lane.0)).collect();
        let query = sqlx::query_scalar(include_str!("../../queries/relay_lock_lanes.sql"))
            .bind(LOCK_CLASS)
            .bind(lanes);
        let locked: Vec<i32> = bounded(query.fetch_all(&mut self.connection)).await?;
        Ok(locked.into_iter().filter_map(|lane| u16::try_from(lane).ok().map(Lane)).collect())
    }

    /// Saves relay marks, on this connection, so that only the owner of a lane can.
    pub(crate) async fn save_marks(
        &mut self,
        marks: &[(Lane, Position)],
    ) -> Result<(), OwnershipError> {
        let (lanes, positions): (Vec<i16>, Vec<i64>) =
            marks.iter().map(|(lane, position)| (lane_number(*lane), position.0)).unzip();
        let query = sqlx::query(include_str!("../../queries/relay_save_marks.sql"))
            .bind(lanes)
            .bind(positions);
        bounded(query.execute(&mut self.connection)).await?;
        Ok(())
    }

    /// Releases all locks.
    pub(crate) async fn close(self) {
        if let Err(error) = bounded(self.connection.close()).await {
            tracing::debug!(%error, "the connection of the relay was already closed");
        }
    }
}

async fn bounded<T>(
    work: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, OwnershipError> {
    match timeout(STATEMENT_MAX, work).await {
        Ok(done) => Ok(done?),
        Err(_) => Err(OwnershipError::TimedOut),
    }
}
