//! Reads the log for its endpoints.
//!
//! Plain statements on a separate small pool, each with a server-side time limit, so that readers neither
//! wait for the writer nor slow it down. Only reads that must be settled wait for its appends.

mod fold;
mod merged;
mod places;

use std::sync::Arc;
use std::time::Duration;

use service_edge::database::is_unavailable;
use shared_events::lane::{EventId, Lane, LaneMap, PositionToken};
use shared_events::recorded::RecordedEvent;
use shared_events::stream::Stream;
use shared_events::time::Timestamp;
use shared_events::values::Label;
use sqlx::postgres::PgPool;
use sqlx::types::chrono::{DateTime, Utc};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout_at};

pub use self::fold::{Folded, Until};
pub use self::merged::Merged;
pub use self::places::Places;
use super::idempotency::KnownOutcomes;
use super::load::LoadError;
pub use super::row::LaneHead;
use super::row::{self, EventRow};
use super::submission::IdempotencyKey;
use super::writer::{BEHIND_MAX, TRANSACTION_MAX};

/// How long a reader of a moment waits for appends.
const WAIT_MAX: Duration = Duration::from_secs(8);

/// The pause between two looks at the locks of appends.
const WAIT_PAUSE: Duration = Duration::from_millis(2);

/// Reads the log. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LogReader {
    pool: PgPool,
    /// Held by the one reader that waits for appends to end.
    waiting: Arc<Mutex<()>>,
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
        Self { pool, waiting: Arc::default() }
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

    /// The name of the log, which a restored copy has, too.
    pub async fn id(&self) -> Result<String, ReadError> {
        let id = sqlx::query_scalar(include_str!("../../queries/read_log_id.sql"));
        Ok(id.fetch_one(&self.pool).await?)
    }

    /// How many events have personal data of a subject.
    pub async fn count_of_subject(&self, subject: &Label) -> Result<i64, ReadError> {
        let count = sqlx::query_scalar(include_str!("../../queries/count_subject_events.sql"));
        Ok(count.bind(subject.as_str()).fetch_one(&self.pool).await?)
    }

    /// At most so many events with personal data of a subject after a position, in the order of recording.
    pub async fn of_subject(
        &self,
        subject: &Label,
        after: &PositionToken,
        limit: i64,
    ) -> Result<Vec<RecordedEvent>, ReadError> {
        let (lanes, positions) =
            row::lanes_and_positions(after.iter().map(|(lane, position)| EventId(lane, position)));
        let rows: Vec<EventRow> =
            sqlx::query_as(include_str!("../../queries/list_subject_events.sql"))
                .bind(subject.as_str())
                .bind(lanes)
                .bind(positions)
                .bind(limit)
                .fetch_all(&self.pool)
                .await?;
        Ok(rows.into_iter().map(|EventRow(event)| event).collect())
    }

    /// Whether a key has an outcome.
    pub async fn has_outcome(&self, key: &IdempotencyKey) -> Result<bool, ReadError> {
        let mut connection = self.pool.acquire().await?;
        let known = KnownOutcomes::find(&mut connection, &[key]).await?;
        Ok(known.of(key).is_some())
    }

    /// The head of every lane.
    pub async fn heads(&self) -> Result<Vec<LaneHead>, ReadError> {
        Ok(sqlx::query_as(include_str!("../../queries/list_heads.sql"))
            .fetch_all(&self.pool)
            .await?)
    }

    /// The last event of every lane at or before `moment`. The same moment always gets the same answer.
    /// Fails if an append takes too long.
    pub async fn heads_at(&self, moment: Timestamp) -> Result<HeadsAt, ReadError> {
        // 1. Events ahead of the clock may still follow.
        let now = self.clock().await?;
        if moment > now {
            return Ok(HeadsAt::Ahead { now });
        }
        Ok(HeadsAt::Settled(self.settled_heads(now, moment).await?))
    }

    /// The last event of every lane at or before a moment that is not ahead of the clock.
    async fn settled_heads(
        &self,
        now: Timestamp,
        moment: Timestamp,
    ) -> Result<Vec<LaneHead>, ReadError> {
        // 2. Wait until every batch that has no locks yet must have a later time.
        let age = (now.to_utc() - moment.to_utc()).to_std().unwrap_or_default();
        sleep(BEHIND_MAX.saturating_sub(age)).await;
        // 3. Wait for the appends that hold a lane now. A later holder has a later time.
        if age < BEHIND_MAX + TRANSACTION_MAX {
            self.wait_for_appends().await?;
        }
        // 4. Read in a new statement, and so with a newer database snapshot.
        let heads = sqlx::query_as(include_str!("../../queries/list_heads_at.sql"))
            .bind(moment.to_utc())
            .fetch_all(&self.pool)
            .await?;
        Ok(heads)
    }

    /// Waits until the appends that hold a lane now have ended. It looks at their locks and asks for none,
    /// because a request for a lane's lock would stop its writers.
    async fn wait_for_appends(&self) -> Result<(), ReadError> {
        let until = Instant::now() + WAIT_MAX;
        let too_long = || sqlx::Error::Protocol("an append holds its lanes for too long".into());
        let turn = timeout_at(until, self.waiting.lock()).await;
        let _turn = turn.map_err(|_| too_long())?;
        let mut holders = self.lane_holders().await?;
        while !holders.is_empty() {
            if Instant::now() > until {
                return Err(too_long().into());
            }
            sleep(WAIT_PAUSE).await;
            let now = self.lane_holders().await?;
            holders.retain(|holder| now.contains(holder));
        }
        Ok(())
    }

    /// The transactions that hold a lane.
    async fn lane_holders(&self) -> Result<Vec<String>, ReadError> {
        let holders = sqlx::query_scalar(include_str!("../../queries/list_lane_holders.sql"));
        Ok(holders.fetch_all(&self.pool).await?)
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
        if is_unavailable(&error) { Self::Unavailable(error) } else { Self::Corrupt(error) }
    }
}

impl From<LoadError> for ReadError {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Database(error) => error.into(),
            unreadable @ LoadError::Unreadable { .. } => {
                Self::Corrupt(sqlx::Error::Decode(Box::new(unreadable)))
            }
        }
    }
}

fn is_undefined_table(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.is_some_and(|code| code == "42P01")
}
