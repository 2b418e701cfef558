//! Who relays a lane: whoever holds its advisory lock, on a connection kept for nothing else.
//!
//! The locks live as long as the connection. The server ends it when it falls silent, so a paused
//! or cut off instance does not keep its lanes.

use std::str::FromStr;
use std::time::Duration;

use shared_events::lane::{Lane, Position};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection};
use tokio::time::timeout;

use crate::log::row::lane_number;

/// The first key of the relay's advisory locks; the second is the lane.
const LOCK_CLASS: i32 = 0x0053_424B;

/// How long one statement may take; beyond it the connection counts as dead.
const STATEMENT_MAX: Duration = Duration::from_secs(3);

/// The connection that holds the locks.
pub(super) struct Ownership {
    connection: PgConnection,
}

/// The connection cannot be used any more, and with it all locks are gone.
#[derive(Debug, thiserror::Error)]
pub(super) enum OwnershipError {
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    #[error("the database did not answer in time")]
    TimedOut,
}

impl Ownership {
    pub(super) async fn connect(database_url: &str) -> Result<Self, OwnershipError> {
        let options = PgConnectOptions::from_str(database_url)?
            .application_name("stockbook relay locks")
            .options([
                // Spoken to every second; a silent owner is taken for dead.
                ("idle_session_timeout", "8s"),
                ("statement_timeout", "3s"),
                ("tcp_keepalives_idle", "3"),
                ("tcp_keepalives_interval", "1"),
                ("tcp_keepalives_count", "3"),
                // A mark that is lost is one that is a little old.
                ("synchronous_commit", "off"),
            ]);
        let connection = bounded(options.connect()).await?;
        Ok(Self { connection })
    }

    /// Takes the locks of those lanes that nobody else holds. Also the sign of life.
    pub(super) async fn lock(&mut self, lanes: &[Lane]) -> Result<Vec<Lane>, OwnershipError> {
        let lanes: Vec<i32> = lanes.iter().map(|lane| i32::from(lane.0)).collect();
        let query = sqlx::query_scalar(include_str!("../../queries/relay_lock_lanes.sql"))
            .bind(LOCK_CLASS)
            .bind(lanes);
        let locked: Vec<i32> = bounded(query.fetch_all(&mut self.connection)).await?;
        Ok(locked.into_iter().filter_map(|lane| u16::try_from(lane).ok().map(Lane)).collect())
    }

    /// Saves how far lanes are known to be on Kafka. On this connection, so that only the owner
    /// of a lane can.
    pub(super) async fn save_marks(
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
    pub(super) async fn close(self) {
        if let Err(error) = bounded(self.connection.close()).await {
            tracing::debug!(%error, "the relay's connection was gone already");
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
