//! Taking back what was booked.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use shared_events::lane::PositionToken;
use shared_events::values::{Label, ReversalId};
use tokio::time::timeout_at;
use utoipa::ToSchema;

use crate::http::AppState;
use crate::http::problem::{Code, Problem};
use crate::http::request::{self, PathText, Reversal, path_text};
use crate::http::schema::{
    self, CommandHeaders, CommandProblems, CommandQuery, ReadProblems, ReversalBody, Reversed,
};
use crate::reversals::{Progress, Refusal, Status, WindowRequest};

/// Reverse: takes back an event, a correlation or an earlier reversal at once, by exact opposites;
/// or all that was booked in a window, one correlation after another.
#[utoipa::path(
    post, path = "/v1/reversals", tag = "commands", params(CommandQuery, CommandHeaders),
    request_body = ReversalBody,
    responses(Reversed, CommandProblems),
)]
pub(in crate::http) async fn reverse(
    State(app): State<Arc<AppState>>,
    request: Request,
) -> Response {
    match request::read_reversal(request, &app.config).await {
        Ok(Reversal::Now(submission)) => app.answer(*submission).await,
        Ok(Reversal::Window { request, dry_run }) => {
            let answered = app.reverse_window(*request, dry_run).await;
            answered.unwrap_or_else(IntoResponse::into_response)
        }
        Err(problem) => problem.into_response(),
    }
}

/// How far the reversal of a window is.
#[utoipa::path(
    get, path = "/v1/reversals/{id}", tag = "commands",
    params(("id" = String, Path, description = "The reversal's id")),
    responses((status = 200, description = "Its progress", body = ReversalProgress), ReadProblems),
)]
pub(in crate::http) async fn read_progress(
    State(app): State<Arc<AppState>>,
    id: PathText,
) -> Result<Json<ReversalProgress>, Problem> {
    let text = path_text(id);
    let missing = || {
        let detail = format!("no window is or was reversed under {text}");
        Problem::missing(Code::NotFound, detail, text.clone())
    };
    let id: ReversalId = text.parse().map_err(|_| missing())?;
    let progress = timeout_at(app.answer_by(), app.reversals.progress(&id)).await;
    let progress = progress.map_err(|_| Problem::log_unavailable())??;
    progress.map(|progress| Json(progress.into())).ok_or_else(missing)
}

impl AppState {
    async fn reverse_window(
        &self,
        request: WindowRequest,
        dry_run: bool,
    ) -> Result<Response, Problem> {
        let until = self.answer_by();
        if dry_run {
            let progress = timeout_at(until, self.reversals.dry_run(&request)).await;
            let progress = progress.map_err(|_| Problem::log_unavailable())??;
            return Ok(Json(ReversalProgress::from(progress)).into_response());
        }
        let progress = timeout_at(until, self.reversals.start(request)).await;
        let progress = progress.map_err(|_| Problem::outcome_unknown())??;
        let location = format!("/v1/reversals/{}", progress.reversal_id);
        let body = Json(ReversalProgress::from(progress));
        Ok((StatusCode::ACCEPTED, [(LOCATION, location)], body).into_response())
    }
}

/// How far the reversal of a window is.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct ReversalProgress {
    #[schema(value_type = String)]
    reversal_id: ReversalId,
    #[schema(value_type = String, example = "running")]
    status: Status,
    /// Whether nothing is to happen.
    dry_run: bool,
    /// What is recorded after this is not taken back.
    #[schema(value_type = String, example = "3:1042,7:88")]
    position: PositionToken,
    /// Events in the window that can be taken back.
    events: u64,
    /// Correlations that they belong to; each is taken back whole or not at all.
    correlations: u64,
    /// Correlations taken back so far.
    reversed: u64,
    /// Correlations refused so far.
    refused: u64,
    /// The first of the refusals, at most 1,000.
    refusals: Vec<RefusalLine>,
}

/// A correlation that is not taken back.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ReversalRefusal)]
struct RefusalLine {
    #[schema(value_type = String)]
    correlation_id: Label,
    /// Why not.
    #[schema(value_type = schema::Problem)]
    problem: Problem,
}

impl From<Progress> for ReversalProgress {
    fn from(progress: Progress) -> Self {
        let line = |Refusal { correlation_id, rejection }| RefusalLine {
            correlation_id,
            problem: rejection.into(),
        };
        Self {
            reversal_id: progress.reversal_id,
            status: progress.status,
            dry_run: progress.dry_run,
            position: progress.position,
            events: progress.events,
            correlations: progress.correlations,
            reversed: progress.reversed,
            refused: progress.refused,
            refusals: progress.refusals.into_iter().map(line).collect(),
        }
    }
}
