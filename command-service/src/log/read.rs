//! Reads the log for its endpoints.
//!
//! Plain statements on a separate small pool, each with a server-side time limit, so that readers neither
//! wait for the writer nor slow it down. Only reads that must be settled wait for its locks.

mod fold;
mod merged;

use shared_events::lane::{Lane, LaneMap};
use shared_events::recorded::RecordedEvent;
use shared_events::stream::Stream;
use shared_events::time::Timestamp;
use sqlx::postgres::PgPool;
use sqlx::types::chrono::{DateTime, Utc};
use tokio::time::sleep;

pub use self::fold::{Folded, Until};
pub use self::merged::Merged;
pub use super::row::LaneHead;
use super::row::{self, EventRow};
use super::writer::BEHIND_MAX;

/// Reads the log. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LogReader {
    pool: PgPool,
}

#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("the database does not answer: {0}")]
    Unavailable(#[source] sqlx::Error),
    /// The database returned something invalid.
    #[error("the log cannot be read: {0}")]
    Corrupt(#[source] sqlx::Error),
}

#[derive(Debug, thiserror::Error)]
pub enum LaneMapError {
    #[error("the write database is not migrated; `command-service migrate` does it")]
    NotMigrated,
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// The lane heads at a moment.
#[derive(Debug)]
pub enum HeadsAt {
    /// No event at or before the moment can still follow.
    Settled(Vec<LaneHead>),
    /// The moment is ahead of the database's clock `now`.
    Ahead { now: Timestamp },
}

/// An ordered history that can be read page by page.
#[derive(Debug, Clone)]
pub enum History {
    /// By position.
    Lane(Lane),
    /// By version.
    Stream(Stream),
}

impl LogReader {
    pub fn new(pool: PgPool) -> Self {
        Self { pool }
    }

    pub async fn ping(&self) -> Result<(), ReadError> {
        self.clock().await.map(drop)
    }

    pub async fn lane_map(&self) -> Result<LaneMap, LaneMapError> {
        let rows =
            sqlx::query(include_str!("../../queries/read_slots.sql")).fetch_all(&self.pool).await;
        let rows = match rows {
            Err(error) if is_undefined_table(&error) => return Err(LaneMapError::NotMigrated),
            other => other.map_err(ReadError::from)?,
        };
        let lanes: sqlx::Result<Vec<Lane>> =
            rows.iter().map(|row| row::lane(row, "lane")).collect();
        LaneMap::from_slots(lanes.map_err(ReadError::from)?).map_err(|_| LaneMapError::NotMigrated)
    }

    /// The head of every lane.
    pub async fn heads(&self) -> Result<Vec<LaneHead>, ReadError> {
        Ok(sqlx::query_as(include_str!("../../queries/list_heads.sql"))
            .fetch_all(&self.pool)
            .await?)
    }

    /// The last event of every lane at or before `moment`. The same moment always gets the same answer.
    /// Fails if a lane stays locked too long.
    pub async fn heads_at(&self, moment: Timestamp) -> Result<HeadsAt, ReadError> {
        // 1. Events ahead of the clock may still follow.
        let now = self.clock().await?;
        if moment > now {
            return Ok(HeadsAt::Ahead { now });
        }
        let lanes = self.heads().await?;
        Ok(HeadsAt::Settled(self.settled_heads(&lanes, now, moment).await?))
    }

    /// The last event of every lane at or before a moment that is not ahead of the clock.
    async fn settled_heads(
        &self,
        lanes: &[LaneHead],
        now: Timestamp,
        moment: Timestamp,
    ) -> Result<Vec<LaneHead>, ReadError> {
        // 2. Wait until every batch that has no locks yet must have a later time.
        let age = (now.to_utc() - moment.to_utc()).to_std().unwrap_or_default();
        sleep(BEHIND_MAX.saturating_sub(age)).await;
        // 3. Wait for each lane's lock once. Its holder has committed by then, and a later holder has a
        //    later time.
        for head in lanes {
            sqlx::query(include_str!("../../queries/wait_for_lane.sql"))
                .bind(number(head.lane))
                .execute(&self.pool)
                .await?;
        }
        // 4. Read in a new statement, and so with a newer database snapshot.
        let heads = sqlx::query_as(include_str!("../../queries/list_heads_at.sql"))
            .bind(moment.to_utc())
            .fetch_all(&self.pool)
            .await?;
        Ok(heads)
    }

    /// At most `limit` events of a history in order, beginning with number `from`; the first is 1.
    pub async fn page(
        &self,
        history: &History,
        from: i64,
        limit: i64,
    ) -> Result<Vec<RecordedEvent>, ReadError> {
        let query = match history {
            History::Lane(lane) => {
                sqlx::query_as(include_str!("../../queries/read_lane.sql")).bind(number(*lane))
            }
            History::Stream(stream) => {
                sqlx::query_as(include_str!("../../queries/read_stream.sql"))
                    .bind(stream.to_string())
            }
        };
        let rows: Vec<EventRow> = query.bind(from).bind(limit).fetch_all(&self.pool).await?;
        Ok(rows.into_iter().map(|EventRow(event)| event).collect())
    }

    /// Whether the lane exists, or the stream has any events.
    pub async fn exists(&self, history: &History) -> Result<bool, ReadError> {
        let query = match history {
            History::Lane(lane) => {
                sqlx::query_scalar(include_str!("../../queries/find_lane.sql")).bind(number(*lane))
            }
            History::Stream(stream) => {
                sqlx::query_scalar(include_str!("../../queries/find_stream.sql"))
                    .bind(stream.to_string())
            }
        };
        Ok(query.fetch_one(&self.pool).await?)
    }

    async fn clock(&self) -> Result<Timestamp, ReadError> {
        let now: DateTime<Utc> = sqlx::query_scalar(include_str!("../../queries/read_clock.sql"))
            .fetch_one(&self.pool)
            .await?;
        Ok(Timestamp::new(now))
    }
}

/// A lane's number in Postgres; -1, which no lane has, if it does not fit.
fn number(lane: Lane) -> i16 {
    i16::try_from(lane.0).unwrap_or(-1)
}

impl From<sqlx::Error> for ReadError {
    fn from(error: sqlx::Error) -> Self {
        if is_transient(&error) { Self::Unavailable(error) } else { Self::Corrupt(error) }
    }
}

/// Whether the same statement may succeed later.
fn is_transient(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        // Connection, authorisation, database missing, rollback, resources, operator, lock, system.
        sqlx::Error::Database(error) => error.code().is_some_and(|code| {
            ["08", "28", "3D", "40", "53", "55", "57", "58"]
                .iter()
                .any(|class| code.starts_with(class))
        }),
        _ => false,
    }
}

fn is_undefined_table(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.is_some_and(|code| code == "42P01")
}
