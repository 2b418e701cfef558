//! Reading the log, for its endpoints and for whoever needs to know its lanes.
//!
//! Plain statements on a small pool of its own, each bounded by the server, so readers neither wait
//! for the writer nor slow it; only what has to be settled first passes its locks.

mod fold;
mod merged;

use serde::Serialize;
use shared_events::chain::Chain;
use shared_events::lane::{Lane, LaneMap, Position};
use shared_events::recorded::RecordedEvent;
use shared_events::stream::Stream;
use shared_events::time::Timestamp;
use sqlx::postgres::{PgPool, PgRow};
use sqlx::types::chrono::{DateTime, Utc};
use sqlx::{FromRow, Row};
use tokio::time::sleep;
use utoipa::ToSchema;

pub use self::fold::{Folded, Until};
pub use self::merged::Merged;
use super::foresight;
use super::row::{self, EventRow};

/// Reads the log. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LogReader {
    pool: PgPool,
}

/// Why the log could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The database cannot be reached, or did not answer in time.
    #[error("the database does not answer: {0}")]
    Unavailable(#[source] sqlx::Error),
    /// The database answered with something that cannot be.
    #[error("the log cannot be read: {0}")]
    Corrupt(#[source] sqlx::Error),
}

/// Why there is no lane map.
#[derive(Debug, thiserror::Error)]
pub enum LaneMapError {
    /// There are no tables, or no lanes in them.
    #[error("the write database is not migrated; `command-service migrate` does it")]
    NotMigrated,
    /// It could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// The last event of a lane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct LaneHead {
    /// The lane.
    #[schema(value_type = u16)]
    pub lane: Lane,
    /// Its last position; 0 while the lane is empty.
    #[schema(value_type = i64)]
    pub position: Position,
    /// The chain after it; zeros while the lane is empty.
    #[schema(value_type = String)]
    pub chain: Chain,
    /// When it was recorded; null while the lane is empty.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub recorded_at: Option<Timestamp>,
}

/// The heads at a moment, or why that moment cannot be told yet.
#[derive(Debug)]
pub enum HeadsAt {
    /// Nothing at or before the moment can still come.
    Settled(Vec<LaneHead>),
    /// The moment is ahead of the database's clock.
    Ahead {
        /// The clock.
        now: Timestamp,
    },
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
    /// Reads through this pool, whose connections bound each statement's time.
    pub fn new(pool: PgPool) -> Self {
        Self { pool }
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// It does not.
    pub async fn ping(&self) -> Result<(), ReadError> {
        self.clock().await.map(drop)
    }

    /// The lane of every slot.
    ///
    /// # Errors
    /// The database is not migrated, or cannot be read.
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
    ///
    /// # Errors
    /// The log cannot be read.
    pub async fn heads(&self) -> Result<Vec<LaneHead>, ReadError> {
        Ok(sqlx::query_as(include_str!("../../queries/list_heads.sql"))
            .fetch_all(&self.pool)
            .await?)
    }

    /// The last event of every lane that was recorded at or before `moment`, settled: the same
    /// moment gives the same answer for ever.
    ///
    /// # Errors
    /// The log cannot be read, or a lane stayed locked too long.
    pub async fn heads_at(&self, moment: Timestamp) -> Result<HeadsAt, ReadError> {
        // 1. Ahead of the clock everything may still come.
        let now = self.clock().await?;
        if moment > now {
            return Ok(HeadsAt::Ahead { now });
        }
        let lanes = self.heads().await?;
        Ok(HeadsAt::Settled(self.settle(&lanes, now, moment).await?))
    }

    /// The last event of each of all lanes that was recorded at or before a moment, which is not ahead
    /// of the clock.
    async fn settle(
        &self,
        lanes: &[LaneHead],
        now: Timestamp,
        moment: Timestamp,
    ) -> Result<Vec<LaneHead>, ReadError> {
        // 2. Wait until what gets its locks only now has a later time.
        let age = (now.to_utc() - moment.to_utc()).to_std().unwrap_or_default();
        sleep(foresight::BEHIND_MAX.saturating_sub(age)).await;
        // 3. Pass each lane's lock once. Who held it has committed when we get it; who comes after us
        //    has a later time.
        for head in lanes {
            sqlx::query(include_str!("../../queries/pass_lane.sql"))
                .bind(number(head.lane))
                .execute(&self.pool)
                .await?;
        }
        // 4. Look, in a new statement and so with a newer snapshot.
        let heads = sqlx::query_as(include_str!("../../queries/list_heads_at.sql"))
            .bind(moment.to_utc())
            .fetch_all(&self.pool)
            .await?;
        Ok(heads)
    }

    /// At most `limit` events of a history from a place on (1 is the first), in order.
    ///
    /// # Errors
    /// The log cannot be read.
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

    /// Whether there is such a lane, or anything in such a stream.
    ///
    /// # Errors
    /// The log cannot be read.
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

/// A lane as Postgres keeps it; one beyond what fits is one that does not exist.
fn number(lane: Lane) -> i16 {
    i16::try_from(lane.0).unwrap_or(-1)
}

impl FromRow<'_, PgRow> for LaneHead {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let position: Option<i64> = row.try_get("position")?;
        let recorded_at: Option<DateTime<Utc>> = row.try_get("recorded_at")?;
        Ok(Self {
            lane: row::lane(row, "lane")?,
            position: Position(position.unwrap_or_default()),
            chain: match position {
                Some(_) => row::chain(row, "chain")?,
                None => Chain::default(),
            },
            recorded_at: recorded_at.map(Timestamp::new),
        })
    }
}

impl From<sqlx::Error> for ReadError {
    fn from(error: sqlx::Error) -> Self {
        if is_passing(&error) { Self::Unavailable(error) } else { Self::Corrupt(error) }
    }
}

/// Whether it may go differently next time.
fn is_passing(error: &sqlx::Error) -> bool {
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
