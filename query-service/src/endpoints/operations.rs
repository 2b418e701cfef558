//! What an operator does to a projection: skip an event, rebuild.

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use service_edge::body::{self, BODY_BYTES_MAX};
use service_edge::problem::Fault;
use shared_events::lane::{EventId, Lane, Position};
use shared_events::values::Label;
use utoipa::ToSchema;

use crate::http::body::read;
use crate::http::parameters::Parameters;
use crate::http::problem::{Code, Problem};
use crate::projection::Projection;
use crate::projection_set::ProjectionSet;
use crate::rebuild::{BeginError, Rebuild, RebuildParts, RebuildStep};
use crate::skip::{SkipError, Skipped, skip_stopped};

/// Where the progress of a rebuild is shown.
const PROGRESS: &str = "/v1/projections";

/// How long another rebuild is waited for.
const LOCK_MAX: &str = "1s";

/// The event that a stopped lane is to skip.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SkipRequest {
    /// The stopped lane.
    #[schema(maximum = 1023)]
    #[schema(value_type = u16)]
    lane: Lane,
    /// The position at which it stopped.
    #[schema(minimum = 1)]
    position: i64,
    /// Why the event may be skipped, for those who miss it later.
    #[schema(value_type = String, min_length = 1, max_length = 255, pattern = r"^[^\u0000-\u001f\u007f-\u009f]+$")]
    reason: Label,
}

/// What was skipped.
#[derive(Debug, Serialize, ToSchema)]
pub struct SkipAnswer {
    /// By version of the projection, of which two may be kept up to date.
    skipped: Vec<Skipped>,
}

/// Lets a stopped lane go on after the one event that it cannot apply.
///
/// The view misses that event from then on, which stays on record.
#[utoipa::path(
    post, path = "/v1/projections/{name}/skip", tag = "operators",
    params(("name" = String, Path, example = "low_stock")),
    request_body = SkipRequest,
    responses(
        (status = 200, body = SkipAnswer),
        (status = 400, description = "malformed_body"),
        (status = 404, description = "not_found"),
        (status = 409, description = "projection_state"),
        (status = 422, description = "validation_failed, invalid_parameter"),
        (status = 503, description = "projection_unavailable"),
    )
)]
pub async fn skip_event(
    State(projections): State<ProjectionSet>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Json<SkipAnswer>, Problem> {
    let (head, body) = request.into_parts();
    Parameters::of(&head.uri)?.finish()?;
    let body = body::receive(&head.headers, body, BODY_BYTES_MAX).await?;
    let SkipRequest { lane, position, reason } = read(&body)?;
    if position < 1 {
        return Err(Problem::validation_failed(vec![Fault::new(
            "/position",
            "must be at least 1",
        )]));
    }
    let projection = named(&projections, &name)?;
    let event = EventId(lane, Position(position));
    let mut connection = projections.pool().acquire().await?;
    let skipped =
        skip_stopped(&mut connection, projections.log(), event, Some(projection), reason.as_str())
            .await?;
    for Skipped { projection, version, event } in &skipped {
        tracing::warn!(
            projection,
            version,
            event,
            reason = reason.as_str(),
            "an operator had the view skip an event"
        );
    }
    Ok(Json(SkipAnswer { skipped }))
}

/// What to do with the versions of the projection.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RebuildRequest {
    #[serde(default)]
    step: RebuildStep,
}

/// A rebuild that has begun.
#[derive(Debug, Serialize, ToSchema)]
pub struct RebuildAnswer {
    #[schema(example = "low_stock")]
    projection: &'static str,
    step: RebuildStep,
    /// Where its progress is shown.
    #[schema(example = "/v1/projections")]
    progress: &'static str,
}

/// Fills a new version of a projection from the log and lets it answer, or does another step of that.
///
/// The old version answers until the new one is as far. Interrupted, it goes on when it is asked for again.
#[utoipa::path(
    post, path = "/v1/projections/{name}/rebuild", tag = "operators",
    params(("name" = String, Path, example = "low_stock")),
    request_body = Option<RebuildRequest>,
    responses(
        (status = 202, body = RebuildAnswer,
            headers(("Location" = String, description = "Where the progress is shown"))),
        (status = 400, description = "malformed_body"),
        (status = 404, description = "not_found"),
        (status = 409, description = "projection_state"),
        (status = 422, description = "validation_failed, invalid_parameter"),
        (status = 501, description = "not_configured"),
        (status = 503, description = "projection_unavailable"),
    )
)]
pub async fn rebuild(
    State(projections): State<ProjectionSet>,
    Path(name): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let (head, body) = request.into_parts();
    Parameters::of(&head.uri)?.finish()?;
    let body = body::receive_optional(&head.headers, body, BODY_BYTES_MAX).await?;
    let RebuildRequest { step } =
        body.map_or_else(|| Ok(RebuildRequest::default()), |body| read(&body))?;
    let projection = named(&projections, &name)?;
    let serving = projections.config();
    let database = serving.migrate_database_url.clone();
    let migrate_database_url = database.ok_or_else(Problem::not_configured)?;
    let parts = RebuildParts { projection, migrate_database_url, log: serving.log.clone() };
    let rebuild = Rebuild::begin(parts, step, LOCK_MAX).await?;
    let stop = projections.stop().clone();
    tokio::spawn(async move {
        match stop.run_until_cancelled(rebuild.run()).await {
            Some(Ok(())) => {}
            Some(Err(error)) => {
                tracing::error!(
                    projection = projection.name(),
                    error = format!("{error:#}"),
                    "a rebuild failed; asked for again, it goes on"
                );
            }
            None => tracing::info!(
                projection = projection.name(),
                "a rebuild was interrupted; asked for again, it goes on"
            ),
        }
    });
    let answer = RebuildAnswer { projection: projection.name(), step, progress: PROGRESS };
    Ok((StatusCode::ACCEPTED, [(LOCATION, PROGRESS)], Json(answer)).into_response())
}

fn named(projections: &ProjectionSet, name: &str) -> Result<Projection, Problem> {
    let unknown = || Problem::new(Code::NotFound, format!("there is no projection {name:?}"));
    projections.named(name).ok_or_else(unknown)
}

impl From<SkipError> for Problem {
    fn from(error: SkipError) -> Self {
        match error {
            SkipError::NotStopped { .. } | SkipError::Moved { .. } | SkipError::Mismatch { .. } => {
                Self::new(Code::ProjectionState, error.to_string())
            }
            SkipError::Log(error) => Self::unavailable(format!("{error:#}")),
            SkipError::Database(error) => error.into(),
        }
    }
}

impl From<BeginError> for Problem {
    fn from(error: BeginError) -> Self {
        match error {
            BeginError::Running { .. } | BeginError::Versions(_) => {
                Self::new(Code::ProjectionState, error.to_string())
            }
            BeginError::Unreachable(error) | BeginError::Database(error) => error.into(),
        }
    }
}
