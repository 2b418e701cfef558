//! Integrity checks: whether the views agree with the log.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::Response;
use serde::Serialize;
use shared_events::lane::{Lane, Position, PositionToken};
use shared_events::time::Timestamp;
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row};
use tokio::time::Instant;
use utoipa::ToSchema;

use crate::http::Service;
use crate::http::answer::untagged;
use crate::http::problem::Problem;
use crate::http::request::{ReadParameters, ReadRequest};
use crate::http::rows::{lane, token};
use crate::http::subject::sku;
use crate::http::wait::{MinPosition, wait_until_applied};
use crate::integrity::agreement::Views;
use crate::integrity::check::{CheckError, Checker, Report, Subject};
use crate::integrity::difference::Difference;
use crate::projection_set::ProjectionSet;
use crate::projections::daily_flow::DailyFlow;
use crate::projections::low_stock::LowStock;
use crate::projections::stock::Stock;
use crate::projections::view::View;
use crate::read_model::LanesUnknown;

/// How long a check may take, the wait for `min_position` included.
const CHECK_MAX: Duration = Duration::from_secs(30);

/// How many skipped events an answer lists.
const SKIPPED_MAX: i64 = 200;

/// The result of a check.
#[derive(Debug, Serialize, ToSchema)]
pub struct Integrity {
    /// Whether the fold of the log, the figures in its events, the views and the chain agree, apart from
    /// skipped events.
    pub ok: bool,
    /// How many events were compared.
    pub checked: u64,
    /// How many of them are redacted, as the log announces.
    pub redacted: u64,
    /// The position of each lane at which the views were compared.
    #[schema(value_type = String, example = "0:17,1:4")]
    pub position: PositionToken,
    /// The first difference, in the order of lanes and positions.
    pub first_difference: Option<Difference>,
    /// Events that an operator had a projection skip, newest first, at most 200: the views of that
    /// projection are without them. For one item, only its own events.
    pub skipped: Vec<Skipped>,
}

/// An event that an operator had a projection skip.
#[derive(Debug, Serialize, ToSchema)]
pub struct Skipped {
    /// The projection that is without it.
    pub projection: String,
    /// The version of the projection.
    pub version: i16,
    /// The event's id.
    pub event: String,
    /// The event's position.
    #[schema(value_type = String, example = "3:1042")]
    pub position: PositionToken,
    /// Why it could not be applied.
    pub error: String,
    /// Why the operator skipped it.
    pub reason: String,
    /// When it was skipped.
    #[schema(value_type = String, format = DateTime)]
    pub skipped_at: Timestamp,
    #[serde(skip)]
    lane_position: (Lane, Position),
}

impl FromRow<'_, PgRow> for Skipped {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let (lane, position) = (lane(row)?, row.try_get("position")?);
        Ok(Self {
            projection: row.try_get("projection")?,
            version: row.try_get("version")?,
            event: row.try_get("event")?,
            position: token(lane, position),
            error: row.try_get("error")?,
            reason: row.try_get("reason")?,
            skipped_at: row.try_get("skipped_at").map(Timestamp::new)?,
            lane_position: (lane, Position(position)),
        })
    }
}

/// Checks everything: the chain of each lane, each event against those before it, each row of the
/// projection `stock` against the log, those of `daily_flow` and `low_stock` against `stock`, and the holds of open
/// reservations against the figures.
///
/// Each lane is compared as of one position. What spans lanes is compared where nothing is in progress;
/// a hold past its end that only one side has recorded as ended may count or not. Reads the whole log,
/// and answers `projection_unavailable` if half a minute is not enough. At most two checks run at once.
#[utoipa::path(
    get, path = "/v1/integrity",
    params(ReadParameters),
    responses(
        (status = 200, body = Integrity),
        (status = 422, description = "invalid_parameter, invalid_position"),
        (status = 503, description = "not_yet_applied, projection_unavailable, overloaded"),
    )
)]
pub async fn check_all(
    State(projections): State<ProjectionSet>,
    request: ReadRequest<()>,
) -> Result<Response, Problem> {
    let deadline = Instant::now() + CHECK_MAX;
    let (service, subject, required) = begin(&projections, request).await?;
    let report = checker(&projections).check_all(&subject, deadline).await?;
    must_be_fresh(&report, &required)?;
    let skipped = list_skipped(&service).await?;
    Ok(answer(report, skipped))
}

/// Checks one item and its stock at all locations: its events in the chain of its lane, its figures,
/// movements and description, and the holds of open reservations.
///
/// Reads the item's whole lane, since only the links back to its first event prove an event. Answers
/// `projection_unavailable` if half a minute is not enough.
#[utoipa::path(
    get, path = "/v1/integrity/{sku}",
    params(("sku" = String, Path, example = "85123A"), ReadParameters),
    responses(
        (status = 200, body = Integrity),
        (status = 404, description = "unknown_sku"),
        (status = 422, description = "invalid_parameter, invalid_position"),
        (status = 503, description = "not_yet_applied, projection_unavailable, overloaded"),
    )
)]
pub async fn check_sku(
    State(projections): State<ProjectionSet>,
    Path(text): Path<String>,
    request: ReadRequest<()>,
) -> Result<Response, Problem> {
    let deadline = Instant::now() + CHECK_MAX;
    let (service, subject, required) = begin(&projections, request).await?;
    let sku = sku(&text)?;
    let report = checker(&projections).check_sku(&subject, &sku, deadline).await?;
    must_be_fresh(&report, &required)?;
    // A row without an event is a difference. Neither an event nor a row: there is no such item.
    if report.checked == 0 && report.first_difference.is_none() {
        return Err(Problem::unknown_sku(text));
    }
    let mut skipped = list_skipped(&service).await?;
    skipped.retain(|one| report.passed_over.contains(&one.lane_position));
    Ok(answer(report, skipped))
}

/// Waits for the caller's position, and returns what to check.
async fn begin(
    projections: &ProjectionSet,
    request: ReadRequest<()>,
) -> Result<(Service, Subject, MinPosition), Problem> {
    let service = projections.active(Stock::PROJECTION);
    let required = request.options.min_position;
    wait_until_applied(&service, &required).await?;
    let subject = subject(projections).ok_or(LanesUnknown)?;
    Ok((service, subject, required))
}

/// What checks with the settings of this instance.
pub fn checker(projections: &ProjectionSet) -> Checker {
    Checker {
        database: projections.config().database.clone(),
        log: projections.log().clone(),
        stop: projections.stop().clone(),
        permits: Arc::clone(projections.checks()),
    }
}

/// What a check compares now; `None` before the lanes are known.
pub fn subject(projections: &ProjectionSet) -> Option<Subject> {
    let model = projections.active(Stock::PROJECTION);
    let lane_map = model.lane_map().ok()?.clone();
    let active = |projection| projections.active(projection).projection;
    let views = Views {
        daily_flow: active(DailyFlow::PROJECTION),
        low_stock: active(LowStock::PROJECTION),
    };
    let progress = Arc::clone(&model.progress);
    Some(Subject { of: model.projection, views, lane_map, progress })
}

/// Fails if no difference was found, but the views had been set back and no longer reflect the position.
/// A difference is reported however far the views are.
fn must_be_fresh(report: &Report, required: &MinPosition) -> Result<(), Problem> {
    if report.first_difference.is_none() && !required.is_met_by(&report.position) {
        return Err(Problem::not_yet_applied(&report.position));
    }
    Ok(())
}

fn answer(report: Report, skipped: Vec<Skipped>) -> Response {
    let position = report.position.clone();
    let integrity = Integrity {
        ok: report.first_difference.is_none(),
        checked: report.checked,
        redacted: report.redacted,
        position: report.position,
        first_difference: report.first_difference,
        skipped,
    };
    untagged(&position, &integrity)
}

async fn list_skipped(service: &Service) -> Result<Vec<Skipped>, Problem> {
    let statement = include_str!("../../queries/list_skipped_events.sql");
    Ok(sqlx::query_as(statement).bind(SKIPPED_MAX).fetch_all(&service.pool).await?)
}

impl From<CheckError> for Problem {
    fn from(error: CheckError) -> Self {
        match error {
            CheckError::Busy => Self::overloaded(),
            CheckError::Unfinished { .. } | CheckError::Failed(_) => {
                tracing::warn!(%error, "an integrity check did not finish; the caller may ask again");
                Self::unavailable(error.to_string())
            }
        }
    }
}
