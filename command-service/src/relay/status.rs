//! How far each lane is published, for those who operate the service.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use shared_events::lane::{Lane, Position};
use sqlx::postgres::PgRow;
use sqlx::{PgPool, Row};
use tokio::sync::watch;
use utoipa::ToSchema;

use super::lane::Progress;
use super::ownership::{LOCK_CLASS, OWNER};
use crate::log::read::ReadError;
use crate::log::row::{self, lane_number};

/// A lane as this instance knows it.
#[derive(Debug, Clone)]
pub(crate) enum Known {
    Elsewhere,
    TakingOver,
    Running(Arc<Progress>),
    Stopped { error: String },
}

/// Whether a lane is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RelayState {
    /// This instance publishes its events as they are recorded.
    Running,
    /// This instance determines where to continue.
    TakingOver,
    /// This instance owns the lane and cannot publish its next event.
    Stopped,
    /// Another instance owns the lane.
    Elsewhere,
    /// No instance owns the lane.
    Unowned,
}

/// How far a lane is published.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RelayedLane {
    #[schema(value_type = u16)]
    lane: Lane,
    /// The lane's last position; 0 while it is empty.
    #[schema(value_type = i64)]
    head: Position,
    /// The last position that Kafka is known to have. Another instance saves it five times a second.
    #[schema(value_type = i64)]
    mark: Position,
    /// How many events are recorded and not known to be published.
    lag: i64,
    /// How long the first of them has waited, in milliseconds; 0 if there is none.
    lag_ms: i64,
    /// The instance that publishes the lane: its address as Postgres sees it, and its process id.
    #[schema(example = "127.0.0.1/4711")]
    owner: Option<String>,
    state: RelayState,
    /// Why the lane is stopped.
    error: Option<String>,
}

/// What is known of the relay. Cheap to clone.
#[derive(Debug, Clone)]
pub struct RelayStatus {
    pool: PgPool,
    known: watch::Sender<BTreeMap<Lane, Known>>,
}

impl RelayStatus {
    /// Reads from this pool. Nothing is known yet.
    pub fn new(pool: PgPool) -> Self {
        Self { pool, known: watch::Sender::default() }
    }

    pub(super) fn set(&self, lane: Lane, known: Known) {
        self.known.send_modify(|lanes| drop(lanes.insert(lane, known)));
    }

    /// Every lane, ascending.
    pub(crate) async fn lanes(&self) -> Result<Vec<RelayedLane>, ReadError> {
        let known = self.known.borrow().clone();
        let (lanes, positions): (Vec<i16>, Vec<i64>) = known
            .iter()
            .filter_map(|(lane, known)| match known {
                Known::Running(progress) => Some((lane_number(*lane), progress.acked().0)),
                Known::Elsewhere | Known::TakingOver | Known::Stopped { .. } => None,
            })
            .unzip();
        let rows = sqlx::query(include_str!("../../queries/list_relayed.sql"))
            .bind(lanes)
            .bind(positions)
            .bind(LOCK_CLASS)
            .fetch_all(&self.pool)
            .await?;
        let lanes: sqlx::Result<Vec<_>> = rows.iter().map(|row| relayed(row, &known)).collect();
        Ok(lanes?)
    }
}

fn relayed(row: &PgRow, known: &BTreeMap<Lane, Known>) -> sqlx::Result<RelayedLane> {
    let lane = row::lane(row, "lane")?;
    let (head, mark): (i64, i64) = (row.try_get("head")?, row.try_get("mark")?);
    let owner = owner(row)?;
    let (state, error) = match known.get(&lane) {
        Some(Known::Running(_)) => (RelayState::Running, None),
        Some(Known::TakingOver) => (RelayState::TakingOver, None),
        Some(Known::Stopped { error }) => (RelayState::Stopped, Some(error.clone())),
        Some(Known::Elsewhere) | None if owner.is_some() => (RelayState::Elsewhere, None),
        Some(Known::Elsewhere) | None => (RelayState::Unowned, None),
    };
    Ok(RelayedLane {
        lane,
        head: Position(head),
        mark: Position(mark),
        lag: (head - mark).max(0),
        lag_ms: row.try_get::<Option<i64>, _>("waiting_ms")?.unwrap_or(0).max(0),
        owner,
        state,
        error,
    })
}

/// Who holds the lane's lock; a connection through a local socket has no address.
fn owner(row: &PgRow) -> sqlx::Result<Option<String>> {
    let Some(name) = row.try_get::<Option<&str>, _>("owner_name")? else { return Ok(None) };
    let process = name.strip_prefix(OWNER).unwrap_or(name);
    let address = row.try_get::<Option<&str>, _>("owner_address")?;
    Ok(Some(format!("{}/{process}", address.unwrap_or("local"))))
}
