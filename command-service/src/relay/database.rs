//! Reads the log for the relay.

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

/// How long one statement may take, including the wait for a connection.
const STATEMENT_MAX: Duration = Duration::from_secs(10);

#[derive(Debug, thiserror::Error)]
pub(crate) enum DatabaseError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("the database did not answer in time")]
    TimedOut,
}

impl DatabaseError {
    /// Whether a retry may succeed.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Read(ReadError::Unavailable(_)) | Self::TimedOut => true,
            Self::Read(ReadError::Corrupt(_)) => false,
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Database {
    log: LogReader,
    pool: PgPool,
}

impl Database {
    pub(crate) fn new(pool: PgPool) -> Self {
        Self { log: LogReader::new(pool.clone()), pool }
    }

    /// At most `limit` events of a lane from a position on.
    pub(crate) async fn page(
        &self,
        lane: Lane,
        from: Position,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, DatabaseError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        bounded(self.log.page(&History::Lane(lane), from.0, limit)).await
    }

    /// The last position of each lane that has one.
    pub(crate) async fn heads(
        &self,
        lanes: &[Lane],
    ) -> Result<BTreeMap<Lane, Position>, DatabaseError> {
        let query = sqlx::query(include_str!("../../queries/relay_read_heads.sql"))
            .bind(lanes.iter().copied().map(row::lane_number).collect::<Vec<i16>>());
        self.by_lane(query, |row| row.try_get("position").map(Position)).await
    }

    /// The relay mark of each lane.
    pub(crate) async fn marks(&self) -> Result<BTreeMap<Lane, Position>, DatabaseError> {
        let query = sqlx::query(include_str!("../../queries/relay_read_marks.sql"));
        self.by_lane(query, |row| row.try_get("position").map(Position)).await
    }

    /// The chain at one position of each lane, if the log has that position.
    pub(crate) async fn chains(
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
