//! The stock and the views as a whole.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Extension, State};
use axum::response::Response;
use serde::Serialize;
use shared_events::lane::PositionToken;
use sqlx::FromRow;
use tokio::sync::{Mutex, watch};
use tokio::time::Instant;
use utoipa::ToSchema;

use super::projections::{LaneProgress, LaneState, read_progress, wait_for_all};
use crate::http::answer::untagged;
use crate::http::problem::Problem;
use crate::http::request::{ReadParameters, ReadRequest};
use crate::http::rows::Sum;
use crate::http::wait::MinPosition;
use crate::integrity::background::Round;
use crate::projection_set::ProjectionSet;
use crate::projections::stock::Stock;
use crate::projections::view::View;

/// How old an answer may be. The statement looks at every pair, so all callers share one in this time.
const AGE_MAX: Duration = Duration::from_secs(1);

/// How old the previous answer may be for a rate.
const RATE_AGE_MAX: Duration = Duration::from_secs(30);

/// Stopped lanes that are named.
const STOPPED_MAX: usize = 100;

/// The stock as a whole.
#[derive(Debug, Clone, Serialize, ToSchema, FromRow)]
pub struct StockOverview {
    /// Items that are not retired.
    skus: i64,
    locations: i64,
    /// Sums over all pairs of sku and location, which may be beyond 64 bits.
    #[sqlx(try_from = "Sum")]
    on_hand: i128,
    #[sqlx(try_from = "Sum")]
    reserved: i128,
    #[sqlx(try_from = "Sum")]
    allocated: i128,
    #[sqlx(try_from = "Sum")]
    available: i128,
    /// On its way by transfers.
    #[sqlx(try_from = "Sum")]
    incoming: i128,
    /// Asked for by those who wait for it.
    #[sqlx(try_from = "Sum")]
    waiting: i128,
    /// Pairs of which nothing is available.
    sold_out: i64,
    /// Pairs at or below their reorder point.
    low: i64,
    /// Lines of reservations that wait for stock.
    waiting_lines: i64,
    /// Transfers of which something is on its way.
    in_transit: i64,
    /// Those of them that should have arrived.
    overdue: i64,
}

/// A lane of a view that waits for an operator.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct StoppedView {
    projection: String,
    lane: u16,
    /// The event that it waits at.
    event: Option<String>,
    /// Why it cannot be applied.
    error: Option<String>,
}

/// The stock and the views as a whole.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Overview {
    #[serde(flatten)]
    stock: StockOverview,
    /// Events applied by every view a second, between this answer and the one before; null if that was
    /// more than half a minute ago.
    events_per_second: Option<f64>,
    /// How many events the lane of a view is behind the log at most; null if the log never answered.
    lag: Option<i64>,
    /// Lanes of views that wait for an operator, at most 100.
    stopped_lanes: Vec<StoppedView>,
    /// The last complete round of the continuous integrity check; null if this instance has made none.
    integrity: Option<Round>,
    /// The position of each lane that every view has applied.
    #[schema(value_type = String, example = "0:17,1:4")]
    position: PositionToken,
}

/// The last overview, and what it is made of besides the views. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Overviews {
    last: Arc<Mutex<Option<Taken>>>,
    rounds: watch::Receiver<Option<Round>>,
}

#[derive(Debug)]
struct Taken {
    at: Instant,
    overview: Arc<Overview>,
}

impl Overviews {
    pub fn new(rounds: watch::Receiver<Option<Round>>) -> Self {
        Self { last: Arc::default(), rounds }
    }

    /// The last overview, or a new one where that is too old.
    async fn take(
        &self,
        projections: &ProjectionSet,
        required: &MinPosition,
    ) -> Result<Arc<Overview>, Problem> {
        let mut last = self.last.lock().await;
        if let Some(Taken { at, overview }) = &*last
            && at.elapsed() < AGE_MAX
            && required.is_met_by(&overview.position)
        {
            return Ok(Arc::clone(overview));
        }
        // 1. How far the views are, before the stock, which is then at least as far.
        let progress = read_progress(projections).await?;
        let at = Instant::now();
        // 2. The stock.
        let model = projections.active(Stock::PROJECTION);
        let statement = sqlx::query_as(include_str!("../../queries/read_overview.sql"));
        let stock = statement.fetch_one(&model.pool).await?;
        let active = || progress.items.iter().filter(|lane| lane.active);
        let overview = Arc::new(Overview {
            stock,
            events_per_second: last.as_ref().and_then(|last| rate(last, at, &progress.position)),
            lag: active().filter_map(|lane| lane.lag).max(),
            stopped_lanes: active().filter_map(stopped).take(STOPPED_MAX).collect(),
            integrity: *self.rounds.borrow(),
            position: progress.position,
        });
        *last = Some(Taken { at, overview: Arc::clone(&overview) });
        Ok(overview)
    }
}

/// Events a second since the last overview.
fn rate(last: &Taken, at: Instant, position: &PositionToken) -> Option<f64> {
    let events = |position: &PositionToken| position.iter().map(|(_, one)| one.0).sum::<i64>();
    let since = at.duration_since(last.at);
    let applied = events(position) - events(&last.overview.position);
    (since <= RATE_AGE_MAX).then(|| (applied.max(0) as f64 / since.as_secs_f64()).round())
}

fn stopped(lane: &LaneProgress) -> Option<StoppedView> {
    (lane.state == LaneState::Stopped).then(|| StoppedView {
        projection: lane.projection.clone(),
        lane: lane.lane.0,
        event: lane.event.clone(),
        error: lane.error.clone(),
    })
}

/// The stock and the views as a whole. The answer may be a second old.
#[utoipa::path(
    get, path = "/v1/overview",
    params(ReadParameters),
    responses(
        (status = 200, body = Overview),
        (status = 422, description = "invalid_parameter, invalid_position"),
        (status = 503, description = "not_yet_applied, projection_unavailable"),
    )
)]
pub async fn read_overview(
    State(projections): State<ProjectionSet>,
    Extension(overviews): Extension<Overviews>,
    ReadRequest { options, .. }: ReadRequest<()>,
) -> Result<Response, Problem> {
    wait_for_all(&projections, &options.min_position).await?;
    let overview = overviews.take(&projections, &options.min_position).await?;
    Ok(untagged(&overview.position, &*overview))
}
