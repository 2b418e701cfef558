//! What the relay reads from the write database.

use std::collections::BTreeMap;
use std::time::Duration;

use shared_events::chain::Chain;
use shared_events::lane::{Lane, Position};
use shared_events::recorded::RecordedEvent;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{PgPool, Postgres, Row};
use tokio::time::timeout;

use crate::log::read::{History, LogReader, ReadError};
use crate::log::row;

/// How long one statement may take, waiting for a connection included.
const STATEMENT_MAX: Duration = Duration::from_secs(10);

/// Why something could not be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum DatabaseError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("the database did not answer in time")]
    TimedOut,
}

impl DatabaseError {
    /// Whether it may go differently next time.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::Read(ReadError::Unavailable(_)) | Self::TimedOut => true,
            Self::Read(ReadError::Corrupt(_)) => false,
        }
    }
}

/// Reads through a pool. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Database {
    log: LogReader,
    pool: PgPool,
}

impl Database {
    pub(super) fn new(pool: PgPool) -> Self {
        Self { log: LogReader::new(pool.clone()), pool }
    }

    /// The events of a lane from a position on, at most so many.
    pub(super) async fn page(
        &self,
        lane: Lane,
        from: Position,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, DatabaseError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        bounded(self.log.page(&History::Lane(lane), from.0, limit)).await
    }

    /// The last position of each lane that has one.
    pub(super) async fn heads(
        &self,
        lanes: &[Lane],
    ) -> Result<BTreeMap<Lane, Position>, DatabaseError> {
        let query = sqlx::query(include_str!("../../queries/relay_read_heads.sql"))
            .bind(lanes.iter().copied().map(row::lane_number).collect::<Vec<i16>>());
        self.by_lane(query, |row| row.try_get("position").map(Position)).await
    }

    /// How far each lane is known to be on Kafka.
    pub(super) async fn marks(&self) -> Result<BTreeMap<Lane, Position>, DatabaseError> {
        let query = sqlx::query(include_str!("../../queries/relay_read_marks.sql"));
        self.by_lane(query, |row| row.try_get("position").map(Position)).await
    }

    /// The chain at one position of each lane, where the log reaches so far.
    pub(super) async fn chains(
        &self,
        positions: &BTreeMap<Lane, Position>,
    ) -> Result<BTreeMap<Lane, Chain>, DatabaseError> {
        let (lanes, positions): (Vec<i16>, Vec<i64>) =
            positions.iter().map(|(lane, position)| (row::lane_number(*lane), position.0)).unzip();
        let query = sqlx::query(include_str!("../../queries/relay_read_chains.sql"))
            .bind(lanes)
            .bind(positions);
        self.by_lane(query, |row| row::chain(row, "chain")).await
    }

    async fn by_lane<T>(
        &self,
        query: Query<'_, Postgres, PgArguments>,
        value: impl Fn(&PgRow) -> sqlx::Result<T>,
    ) -> Result<BTreeMap<Lane, T>, DatabaseError> {
        bounded(async {
            let rows = query.fetch_all(&self.pool).await?;
            let pairs = rows.iter().map(|row| Ok((row::lane(row, "lane")?, value(row)?)));
            Ok(pairs.collect::<sqlx::Result<_>>()?)
        })
        .await
    }
}

async fn bounded<T>(work: impl Future<Output = Result<T, ReadError>>) -> Result<T, DatabaseError> {
    match timeout(STATEMENT_MAX, work).await {
        Ok(read) => Ok(read?),
        Err(_) => Err(DatabaseError::TimedOut),
    }
}
