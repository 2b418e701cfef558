//! Several commands in one request.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use futures::{StreamExt, stream};

use super::submit;
use crate::http::AppState;
use crate::http::answer::batch::{independent, together};
use crate::http::problem::Problem;
use crate::http::request::{self, Batch};
use crate::http::schema::{BatchBody, CommandHeaders, CommandProblems, CommandQuery, Executed};

/// Commands of one independent batch that may wait in the writer's queue together. Enough to fill
/// one of its transactions, and few enough to leave room for other requests.
const WAITING_MAX: usize = 256;

/// Batch: several commands, all or none (`atomic`) or each for itself (`independent`), in order.
#[utoipa::path(
    post, path = "/v1/batches", tag = "commands", params(CommandQuery, CommandHeaders),
    request_body = BatchBody,
    responses(Executed, CommandProblems),
)]
pub(in crate::http) async fn execute_batch(
    State(app): State<Arc<AppState>>,
    request: Request,
) -> Response {
    if let Some(problem) = app.overload() {
        return problem.into_response();
    }
    match request::read_batch(request, &app.config).await {
        Ok(batch) => app.execute_batch(batch).await.unwrap_or_else(IntoResponse::into_response),
        Err(problem) => problem.into_response(),
    }
}

impl AppState {
    async fn execute_batch(&self, batch: Batch) -> Result<Response, Problem> {
        let writer = self.writer()?;
        let until = self.answer_by();
        Ok(match batch {
            Batch::Atomic(submission) => {
                let commands = submission.asked.requests().len();
                let correlation_id = submission.origin.correlation_id.clone();
                let outcome = submit(&writer, *submission, until).await;
                together(outcome, commands, &correlation_id)
            }
            Batch::Independent { submissions, correlation_id } => {
                // Queued in their order, for each is first polled after the one before it. A client
                // that hangs up leaves those behind that were not queued yet.
                let waits = submissions.into_iter().map(|one| submit(&writer, one, until));
                let outcomes = stream::iter(waits).buffered(WAITING_MAX).collect().await;
                independent(outcomes, &correlation_id)
            }
        })
    }
}
