//! Progress of the projections.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use shared_events::chain::Chain;
use shared_events::lane::{Lane, Position, PositionToken};
use shared_events::time::Timestamp;
use sqlx::Row;
use sqlx::postgres::PgRow;
use utoipa::ToSchema;

use crate::http::answer::Tag;
use crate::http::page::Page;
use crate::http::problem::Problem;
use crate::http::request::{ReadParameters, ReadRequest, ReadResponses};
use crate::http::rows::lane;
use crate::http::wait::{MinPosition, wait_until_applied};
use crate::pipeline::progress::LogState;
use crate::projection_set::ProjectionSet;
use crate::projections::stock::Stock;
use crate::projections::view::View;

/// Whether a lane makes progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LaneState {
    /// Events are applied as they arrive.
    Running,
    /// Events are missing and are read from the log.
    CatchingUp,
    /// The next event cannot be applied.
    Stopped,
    /// A rebuild fills it from the log.
    Filling,
}

/// One lane of one version of a projection.
#[derive(Debug, Hash, Serialize, ToSchema)]
pub struct LaneProgress {
    /// The projection's name.
    pub projection: String,
    /// Its version.
    pub version: i16,
    /// Whether this version answers queries.
    pub active: bool,
    /// The lane.
    #[schema(value_type = u16)]
    pub lane: Lane,
    /// The last position applied.
    #[schema(value_type = i64)]
    pub position: Position,
    /// The chain at that position.
    #[schema(value_type = String)]
    pub chain: Chain,
    /// How many events the log had after that position when this instance last asked; null if it never could.
    pub lag: Option<i64>,
    /// Whether the lane makes progress.
    pub state: LaneState,
    /// The event that a stopped lane waits at.
    pub event: Option<String>,
    /// Why it cannot be applied.
    pub error: Option<String>,
    /// The events that an operator had the lane skip, newest first, at most 20.
    pub skipped: Vec<String>,
    /// When the lane stopped.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub stopped_at: Option<Timestamp>,
    /// When an event of the lane was last applied.
    #[schema(value_type = String, format = DateTime)]
    pub applied_at: Timestamp,
}

/// Every lane of every version of every projection.
#[utoipa::path(
    get, path = "/v1/projections",
    params(ReadParameters),
    responses((status = 200, body = Page<LaneProgress>), ReadResponses),
)]
pub async fn list_projections(
    State(projections): State<ProjectionSet>,
    ReadRequest { options, .. }: ReadRequest<()>,
) -> Result<Response, Problem> {
    wait_for_all(&projections, &options.min_position).await?;
    let page = read_progress(&projections).await?;
    Ok(options.answer(&page.position, &Tag::weak(&page.items), &page))
}

/// An answer about every projection waits for each of them, all together no longer than the caller does.
pub(super) async fn wait_for_all(
    projections: &ProjectionSet,
    required: &MinPosition,
) -> Result<(), Problem> {
    let deadline = required.deadline();
    for projection in projections.known() {
        let required = required.until(deadline);
        wait_until_applied(&projections.active(*projection), &required).await?;
    }
    Ok(())
}

pub(super) async fn read_progress(
    projections: &ProjectionSet,
) -> Result<Page<LaneProgress>, Problem> {
    let heads = projections.active(Stock::PROJECTION).progress.log().heads;
    let rows = sqlx::query(include_str!("../../queries/list_checkpoints.sql"))
        .fetch_all(&projections.pool())
        .await?;
    let mut items = Vec::with_capacity(rows.len());
    for row in &rows {
        let projection = projections.named(row.try_get("projection")?);
        let version = row.try_get("version")?;
        let progress = projection.and_then(|one| projections.progress(one.version(version)));
        let log = match progress {
            Some(progress) => progress.log(),
            // This instance does not update it, so use what the current version knows of the log.
            None => LogState { heads: heads.clone(), ..LogState::default() },
        };
        items.push(lane_progress(row, &log)?);
    }
    // The least position that every active version has applied.
    let mut everywhere = BTreeMap::new();
    for one in items.iter().filter(|one| one.active) {
        let least = everywhere.entry(one.lane).or_insert(one.position);
        *least = one.position.min(*least);
    }
    let position: PositionToken = everywhere.into_iter().collect();
    Ok(Page { items, next_cursor: None, position })
}

fn lane_progress(row: &PgRow, log: &LogState) -> sqlx::Result<LaneProgress> {
    let lane = lane(row)?;
    let position = Position(row.try_get("position")?);
    let chain: Vec<u8> = row.try_get("chain")?;
    let chain = chain.try_into().map_err(|_| sqlx::Error::Decode("a chain has 32 bytes".into()))?;
    let event: Option<String> = row.try_get("event")?;
    let head = log.heads.get(&lane);
    let state = match &event {
        Some(_) => LaneState::Stopped,
        None if row.try_get("filling")? => LaneState::Filling,
        None if log.catching_up.contains(&lane) => LaneState::CatchingUp,
        None => LaneState::Running,
    };
    Ok(LaneProgress {
        projection: row.try_get("projection")?,
        version: row.try_get("version")?,
        active: row.try_get("active")?,
        lane,
        position,
        chain: Chain(chain),
        // The log was asked before the checkpoint was read, which may be ahead by now.
        lag: head.map(|head| (head.0 - position.0).max(0)),
        state,
        event,
        error: row.try_get("error")?,
        skipped: row.try_get("skipped")?,
        stopped_at: row.try_get::<Option<_>, _>("stopped_at")?.map(Timestamp::new),
        applied_at: row.try_get("applied_at").map(Timestamp::new)?,
    })
}
