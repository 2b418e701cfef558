//! Whether the views are what the log says.

use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::Response;
use serde::Serialize;
use shared_events::lane::{Lane, Position, PositionToken};
use shared_events::time::Timestamp;
use sqlx::Row;
use sqlx::postgres::PgRow;
use tokio::time::Instant;
use utoipa::ToSchema;

use crate::http::Service;
use crate::http::answer::untagged;
use crate::http::problem::Problem;
use crate::http::queries::{lane, sku};
use crate::http::request::{Request, Terms};
use crate::http::wait::{Freshness, FreshnessParameters, applied};
use crate::integrity::check::{CheckError, Report, Subject};
use crate::integrity::difference::Difference;
use crate::projection_set::ProjectionSet;
use crate::projections::stock::{Stock, integrity_subject};
use crate::projections::view::View;
use crate::read_model::LanesUnknown;

/// How long a check may take, the wait for `min_position` included.
const CHECK_MAX: Duration = Duration::from_secs(30);

/// Skipped events that are shown.
const SKIPPED_MAX: i64 = 200;

/// What a check came to.
#[derive(Debug, Serialize, ToSchema)]
pub struct Integrity {
    /// Whether the fold of the log, the figures in its events, the views and the chain are the same,
    /// but for what was skipped.
    pub ok: bool,
    /// How many events were compared.
    pub checked: u64,
    /// The position of each lane at which the views were compared.
    #[schema(value_type = String, example = "0:17,1:4")]
    pub position: PositionToken,
    /// The first difference, in the order of lanes and positions.
    pub first_difference: Option<Difference>,
    /// Events that an operator had skipped, newest first, at most 200: views of that projection are
    /// without them. Of one item, those of its own events.
    pub skipped: Vec<Skipped>,
}

/// An event that an operator had skipped.
#[derive(Debug, Serialize, ToSchema)]
pub struct Skipped {
    /// The projection that is without it.
    pub projection: String,
    /// The version of that.
    pub version: i16,
    /// The event's id.
    pub event: String,
    /// The event's place.
    #[schema(value_type = String, example = "3:1042")]
    pub position: PositionToken,
    /// Why it could not be applied.
    pub error: String,
    /// Why the operator let it pass.
    pub reason: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub skipped_at: Timestamp,
    #[serde(skip)]
    place: (Lane, Position),
}

/// Everything: the chain of each lane, each event after those before it, each row of the projection
/// `stock` after the log, and what open reservations hold beside the figures.
///
/// Each lane is compared as of one position. What spans lanes is compared where nothing is under way;
/// a hold past its end that only one side has recorded as ended may count or not. Reads the log whole:
/// answers `projection_unavailable` when half a minute is not enough. At most two checks run at once.
#[utoipa::path(
    get,
    path = "/v1/integrity",
    params(
        FreshnessParameters,
    ),
    responses(
        (status = 200, body = Integrity),
        (status = 422, description = "invalid_parameter, invalid_position"),
        (status = 503, description = "not_yet_applied, projection_unavailable, overloaded"),
    )
)]
pub async fn check_all(
    State(projections): State<ProjectionSet>,
    request: Request,
) -> Result<Response, Problem> {
    let deadline = Instant::now() + CHECK_MAX;
    let (service, subject, wanted) = begin(&projections, request).await?;
    let report = projections.checker().check_all(&subject, deadline).await?;
    must_be_fresh(&report, &wanted)?;
    let skipped = list_skipped(&service).await?;
    Ok(told(report, skipped))
}

/// One item and its stock, everywhere: its events in the chain of its lane, its figures, movements and
/// description, and what open reservations hold of it.
///
/// The item's lane is read whole, since only the links back to its first event prove an event; answers
/// `projection_unavailable` when half a minute is not enough.
#[utoipa::path(
    get,
    path = "/v1/integrity/{sku}",
    params(
        ("sku" = String, Path, example = "85123A"),
        FreshnessParameters,
    ),
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
    request: Request,
) -> Result<Response, Problem> {
    let deadline = Instant::now() + CHECK_MAX;
    let (service, subject, wanted) = begin(&projections, request).await?;
    let sku = sku(&text)?;
    let report = projections.checker().check_sku(&subject, &sku, deadline).await?;
    must_be_fresh(&report, &wanted)?;
    // A row without an event is a difference; no event and no row is no item.
    if report.checked == 0 && report.first_difference.is_none() {
        return Err(Problem::UnknownSku(text));
    }
    let mut skipped = list_skipped(&service).await?;
    skipped.retain(|one| report.passed_over.contains(&one.place));
    Ok(told(report, skipped))
}

/// What is to be checked, once it is as far as the caller wants it.
async fn begin(
    projections: &ProjectionSet,
    request: Request,
) -> Result<(Service, Subject, Freshness), Problem> {
    let service = projections.active(Stock::PROJECTION);
    let Terms { wanted, .. } = request.finish()?;
    applied(&service, &wanted).await?;
    let subject = integrity_subject(projections).ok_or(LanesUnknown)?;
    Ok((service, subject, wanted))
}

/// Fails where no difference was found in views that were set back after they had been far enough. A
/// difference is one, however far the check came.
fn must_be_fresh(report: &Report, wanted: &Freshness) -> Result<(), Problem> {
    if report.first_difference.is_none() && !wanted.is_met_by(&report.position) {
        return Err(Problem::NotYetApplied(report.position.clone()));
    }
    Ok(())
}

fn told(report: Report, skipped: Vec<Skipped>) -> Response {
    let position = report.position.clone();
    let integrity = Integrity {
        ok: report.first_difference.is_none(),
        checked: report.checked,
        position: report.position,
        first_difference: report.first_difference,
        skipped,
    };
    untagged(&position, &integrity)
}

async fn list_skipped(service: &Service) -> Result<Vec<Skipped>, Problem> {
    let rows = sqlx::query(include_str!("../../../queries/list_skipped_events.sql"))
        .bind(SKIPPED_MAX)
        .fetch_all(&service.pool)
        .await?;
    Ok(rows.iter().map(skipped).collect::<sqlx::Result<_>>()?)
}

fn skipped(row: &PgRow) -> sqlx::Result<Skipped> {
    let (lane, position) = (lane(row)?, Position(row.try_get("position")?));
    Ok(Skipped {
        projection: row.try_get("projection")?,
        version: row.try_get("version")?,
        event: row.try_get("event")?,
        position: [(lane, position)].into_iter().collect(),
        error: row.try_get("error")?,
        reason: row.try_get("reason")?,
        skipped_at: row.try_get("skipped_at").map(Timestamp::new)?,
        place: (lane, position),
    })
}

impl From<CheckError> for Problem {
    fn from(error: CheckError) -> Self {
        match error {
            CheckError::Busy => Self::Overloaded,
            CheckError::Unfinished { .. } | CheckError::Failed(_) => {
                tracing::warn!(%error, "an integrity check was not finished");
                Self::ProjectionUnavailable(error.to_string())
            }
        }
    }
}
