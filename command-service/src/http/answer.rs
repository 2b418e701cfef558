//! Outcomes of commands as responses.
//!
//! The answer to an accepted command is rendered from its recorded events and from nothing else, so
//! a repeated request gets the same bytes, however long ago the first was answered.

mod accepted;
pub(crate) mod batch;
mod order;
mod shapes;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Serialize, Serializer};
use shared_events::event::Event;
use shared_events::lane::{EventId, POSITION_HEADER, PositionToken};
use shared_events::recorded::RecordedEvent;
use shared_events::values::Label;
use utoipa::IntoResponses;

use self::accepted::Recording;
pub(crate) use self::accepted::{Accepted, ReservationAnswer};
pub(crate) use self::batch::BatchAnswer;
pub(crate) use self::order::OrderAnswer;
use super::problem::Problem;
use crate::log::submission::{Decision, Outcome};

/// The position of the answer's effects in the log.
pub(crate) const STOCK_POSITION: HeaderName = HeaderName::from_static(POSITION_HEADER);
const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The answers to a command that registers something.
#[derive(Debug, IntoResponses)]
#[expect(dead_code, reason = "OpenAPI needs the variants, nothing fills them")]
pub(crate) enum Registered {
    /// Something new is registered.
    #[response(status = 201, headers(("Stock-Position" = String, description = "A position token")))]
    New(Accepted),
    /// Changed, or nothing to do, or only validated.
    #[response(status = 200, headers(("Stock-Position" = String, description = "A position token")))]
    Known(Accepted),
}

/// The answers to a command about stock.
#[derive(Debug, IntoResponses)]
#[expect(dead_code, reason = "OpenAPI needs the variants, nothing fills them")]
pub(crate) enum Recorded {
    /// Recorded, or only validated.
    #[response(status = 200, headers(("Stock-Position" = String, description = "A position token")))]
    All(Accepted),
}

/// The answers to a command that begins a process.
#[derive(Debug, IntoResponses)]
#[expect(dead_code, reason = "OpenAPI needs the variants, nothing fills them")]
pub(crate) enum Placed {
    /// Recorded; it goes on by itself.
    #[response(status = 202, headers(("Stock-Position" = String, description = "A position token")))]
    Begun(Accepted),
    /// Only validated.
    #[response(status = 200)]
    Valid(Accepted),
}

/// The answers to a batch.
#[derive(Debug, IntoResponses)]
#[expect(dead_code, reason = "OpenAPI needs the variants, nothing fills them")]
pub(crate) enum Executed {
    /// Executed, or only validated. Of an independent batch each command has its own status.
    #[response(status = 200, headers(("Stock-Position" = String, description = "A position token")))]
    All(BatchAnswer),
}

/// The response to a command.
pub(crate) fn render(outcome: Outcome, correlation_id: &Label) -> Response {
    let is_replayed = matches!(outcome, Outcome::Replayed(_));
    let response = Answer::of(outcome, correlation_id).into_response();
    if is_replayed { mark_replayed(response) } else { response }
}

/// The response to a redaction, with the events that still hold what it was to remove.
pub(crate) fn render_redaction(
    outcome: Outcome,
    correlation_id: &Label,
    elsewhere: Vec<EventId>,
) -> Response {
    let is_replayed = matches!(outcome, Outcome::Replayed(_));
    let mut answer = Answer::of(outcome, correlation_id);
    if let Answer::Accepted(_, body) = &mut answer {
        body.also_in = Some(elsewhere);
    }
    let response = answer.into_response();
    if is_replayed { mark_replayed(response) } else { response }
}

pub(crate) fn mark_replayed(mut response: Response) -> Response {
    response.headers_mut().insert(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
    response
}

/// The answer to one command.
#[derive(Debug)]
enum Answer {
    Accepted(StatusCode, Box<Accepted>),
    Refused(Problem),
}

impl Answer {
    fn of(outcome: Outcome, correlation_id: &Label) -> Self {
        match outcome {
            Outcome::Decided(decision) | Outcome::Replayed(decision) => Self::of_decision(decision),
            Outcome::Valid(events) => Self::of_valid(&events, correlation_id),
            other => Self::Refused(undecided(&other)),
        }
    }

    fn of_decision(decision: Decision) -> Self {
        match decision {
            Decision::Accepted(events) => Self::of_recorded(&events),
            Decision::Unchanged(unchanged) => {
                Self::accepted(StatusCode::OK, Accepted::unchanged(unchanged))
            }
            Decision::Rejected(rejection) => Self::Refused(rejection.into()),
            Decision::AcceptedTogether { .. } | Decision::RefusedTogether(_) => {
                Self::Refused(Problem::internal(&"one command was decided as a batch"))
            }
        }
    }

    fn of_recorded(events: &[Arc<RecordedEvent>]) -> Self {
        let Some(recording) = Recording::of(events) else {
            return Self::Refused(Problem::internal(&"a command was accepted without events"));
        };
        match Accepted::recorded(events, recording) {
            Ok((status, body)) => Self::accepted(status, body),
            Err(error) => Self::Refused(Problem::internal(&error)),
        }
    }

    /// The status is 200 even if something would be registered, because nothing was.
    fn of_valid(events: &[Event], correlation_id: &Label) -> Self {
        let (_, body) = Accepted::possible(events, Some(correlation_id.clone()));
        Self::accepted(StatusCode::OK, body)
    }

    fn accepted(status: StatusCode, body: Accepted) -> Self {
        Self::Accepted(status, Box::new(body))
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Accepted(status, _) => *status,
            Self::Refused(problem) => problem.status(),
        }
    }

    fn position(&self) -> Option<&PositionToken> {
        match self {
            Self::Accepted(_, body) => body.position.as_ref(),
            Self::Refused(_) => None,
        }
    }
}

impl Serialize for Answer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Accepted(_, body) => body.serialize(serializer),
            Self::Refused(problem) => problem.serialize(serializer),
        }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        match self {
            Self::Accepted(status, body) => json(status, body.position.as_ref(), &body),
            Self::Refused(problem) => problem.into_response(),
        }
    }
}

/// The problem if nothing was decided for this request.
fn undecided(outcome: &Outcome) -> Problem {
    match outcome {
        Outcome::InProgress => Problem::key_in_progress(),
        Outcome::KeyReused => Problem::key_reused(),
        Outcome::NotExecuted(reason) => Problem::from(*reason),
        Outcome::Unknown => Problem::outcome_unknown(),
        Outcome::Decided(_)
        | Outcome::Replayed(_)
        | Outcome::Valid(_)
        | Outcome::ValidTogether(_) => {
            Problem::internal(&"the outcome is not that of such a request")
        }
    }
}

fn json(status: StatusCode, position: Option<&PositionToken>, body: &impl Serialize) -> Response {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(position) = position {
        let position = HeaderValue::try_from(position.to_string())
            .expect("a position token is digits, colons and commas");
        headers.insert(STOCK_POSITION, position);
    }
    let body = serde_json::to_vec(body)
        .expect("an answer is text, integers and lists of them, which JSON can hold");
    (status, headers, body).into_response()
}
