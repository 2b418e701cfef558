//! Outcomes of batches as responses.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use shared_events::lane::PositionToken;
use shared_events::recorded::RecordedEvent;
use shared_events::values::Label;
use utoipa::ToSchema;

use super::accepted::Recording;
use super::{Accepted, Answer, json, mark_replayed, undecided};
use crate::http::problem::{Code, Problem};
use crate::log::submission::{Decision, Outcome, Verdict};

/// What a batch did.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BatchAnswer {
    /// The position token that reflects every command that was accepted; absent when none was, or
    /// when they were only validated.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, example = "3:1042,7:88")]
    position: Option<PositionToken>,
    /// One for each command, in their order.
    results: Vec<BatchLine>,
}

/// How one command of a batch ended.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BatchResult)]
pub(crate) struct BatchLine {
    /// The command's place in the batch, from 0.
    index: usize,
    /// The status that a separate request would have had.
    status: u16,
    /// The body that a separate request would have had.
    #[schema(value_type = serde_json::Value)]
    body: Answer,
}

impl BatchLine {
    fn is_refused(&self) -> bool {
        matches!(self.body, Answer::Refused(_))
    }

    fn all(answers: impl IntoIterator<Item = Answer>) -> Vec<Self> {
        let line =
            |(index, body): (usize, Answer)| Self { index, status: body.status().as_u16(), body };
        answers.into_iter().enumerate().map(line).collect()
    }
}

/// The response to independent commands, of which some may have been refused unread.
pub(crate) fn independent(
    outcomes: Vec<Result<Outcome, Problem>>,
    correlation_id: &Label,
) -> Response {
    let answer = |outcome| match outcome {
        Ok(outcome) => Answer::of(outcome, correlation_id),
        Err(problem) => Answer::Refused(problem),
    };
    let answers: Vec<Answer> = outcomes.into_iter().map(answer).collect();
    let reached = answers.iter().filter_map(Answer::position).flat_map(PositionToken::iter);
    let position: PositionToken = reached.collect();
    let position = (!position.is_empty()).then_some(position);
    all(position, answers)
}

/// The response to commands that happened all or not at all.
pub(crate) fn together(outcome: Outcome, commands: usize, correlation_id: &Label) -> Response {
    match outcome {
        Outcome::Decided(decision) => decided(decision, commands),
        Outcome::Replayed(decision) => mark_replayed(decided(decision, commands)),
        Outcome::ValidTogether(commands) => {
            let answers = commands.iter().map(|events| Answer::of_valid(events, correlation_id));
            all(None, answers)
        }
        other => undecided(&other).into_response(),
    }
}

fn decided(decision: Decision, commands: usize) -> Response {
    match decision {
        Decision::AcceptedTogether { events, sizes } => accepted(&events, &sizes),
        // Nothing to do for any of them.
        Decision::Unchanged(unchanged) => {
            let position = unchanged.position.clone();
            let body = || Accepted::unchanged(unchanged.clone());
            let answers = (0..commands).map(|_| Answer::accepted(StatusCode::OK, body()));
            all(Some(position), answers)
        }
        Decision::Rejected(rejection) => Problem::from(rejection).into_response(),
        Decision::RefusedTogether(verdicts) => {
            let results = BatchLine::all(verdicts.into_iter().map(verdict));
            refused(results).into_response()
        }
        Decision::Accepted(_) => {
            Problem::internal(&"a batch was decided as one command").into_response()
        }
    }
}

/// An atomic batch of which at least one command was refused, with the outcome of each.
fn refused(results: Vec<BatchLine>) -> Problem {
    let refused = results.iter().filter(|line| line.is_refused()).count();
    let detail = format!("commands refused: {refused} of {}", results.len());
    Problem::new(Code::BatchRefused, detail).with("results", results)
}

/// Each command's answer as if it had been alone, but for where and when all were recorded.
fn accepted(events: &[Arc<RecordedEvent>], sizes: &[usize]) -> Response {
    let Some(recording) = Recording::of(events) else {
        return Problem::internal(&"a batch was accepted without events").into_response();
    };
    let mut answers = Vec::with_capacity(sizes.len());
    let mut rest = events;
    for size in sizes {
        let Some((own, others)) = rest.split_at_checked(*size) else {
            return Problem::internal(&"a batch has fewer events than its commands made")
                .into_response();
        };
        match Accepted::recorded(own, recording.clone()) {
            Ok((status, accepted)) => answers.push(Answer::accepted(status, accepted)),
            Err(error) => return Problem::internal(&error).into_response(),
        }
        rest = others;
    }
    all(Some(recording.position), answers)
}

/// The correlation id is left out: it is that of the request, which may be a repeated one, and the
/// answer is the same for all of them.
fn verdict(verdict: Verdict) -> Answer {
    match verdict {
        Verdict::Possible(events) => {
            let (status, accepted) = Accepted::possible(&events, None);
            Answer::accepted(status, accepted)
        }
        Verdict::Refused(rejection) => Answer::Refused(rejection.into()),
    }
}

fn all(position: Option<PositionToken>, answers: impl IntoIterator<Item = Answer>) -> Response {
    let answer = BatchAnswer { position, results: BatchLine::all(answers) };
    json(StatusCode::OK, answer.position.as_ref(), &answer)
}
