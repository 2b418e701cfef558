//! Refusals and failures as RFC 9457 problem documents. Status codes stand here and nowhere else.

mod code;
mod rejected;
#[cfg(test)]
mod tests;

use std::time::Duration;

use axum::http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use serde::{Serialize, Serializer};
use shared_events::lane::EventId;
use shared_events::reservation::ReservationStatus;
use shared_events::values::{LocationCode, Sku};
use uuid::Uuid;

pub use self::code::Code;
use super::answer::BatchLine;
use super::json::Fault;
use crate::inventory::{Excess, Shortage};
use crate::log::read::ReadError;
use crate::log::submission::NotExecuted;
use crate::reversals::WindowError;

/// Nothing was recorded because there was no way to.
const NOTHING_RECORDED: &str = "Nothing was recorded; the service cannot reach its database now.";

/// It was or it was not.
const OUTCOME_UNKNOWN: &str = "It is not known whether this was recorded. Repeat it with the same \
    Idempotency-Key and the answer will tell; without a key, look before you repeat it.";

/// One refusal or failure, on its way to the caller.
#[derive(Debug)]
pub struct Problem {
    code: Code,
    detail: String,
    members: Members,
    retry_after: Option<Duration>,
}

/// What a problem tells besides the usual members.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Members {
    None {},
    Errors { errors: Vec<Fault> },
    Item { sku: Sku },
    Location { location: LocationCode },
    Id { id: String },
    Lines { lines: Vec<Shortage> },
    Mismatch { expected: i64, actual: i64 },
    State { reservation_status: ReservationStatus },
    Part(Excess),
    Dependents { dependents: Vec<EventId> },
    Results { results: Vec<BatchLine> },
    Limit { limit: usize },
}

#[derive(Serialize)]
struct Document<'a> {
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    status: u16,
    detail: &'a str,
    #[serde(flatten)]
    members: &'a Members,
}

impl Problem {
    /// A problem with nothing to tell but its detail.
    pub(super) fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), members: Members::None {}, retry_after: None }
    }

    fn with(self, members: Members) -> Self {
        Self { members, ..self }
    }

    fn retry_after(self, pause: Duration) -> Self {
        Self { retry_after: Some(pause), ..self }
    }

    /// Faults of a request, all at once.
    pub(super) fn validation_failed(errors: Vec<Fault>) -> Self {
        let detail = match errors.as_slice() {
            [Fault { pointer, message }] if pointer.is_empty() => format!("the body {message}"),
            [Fault { pointer, message }] => format!("{pointer} {message}"),
            faults => format!("{} faults; `errors` has each with its place", faults.len()),
        };
        Self::new(Code::ValidationFailed, detail).with(Members::Errors { errors })
    }

    /// A body beyond the limit.
    pub(super) fn body_too_large(limit: usize) -> Self {
        Self::new(Code::BodyTooLarge, format!("a body has at most {limit} bytes"))
            .with(Members::Limit { limit })
    }

    /// A batch of more commands than the limit.
    pub(super) fn batch_too_large(limit: usize) -> Self {
        Self::new(Code::BatchTooLarge, format!("a batch has at most {limit} commands"))
            .with(Members::Limit { limit })
    }

    /// Commands together, of which at least one was refused: how each would have ended.
    pub(super) fn batch_refused(results: Vec<BatchLine>) -> Self {
        let refused = results.iter().filter(|line| line.is_refused()).count();
        let detail = format!("commands refused: {refused} of {}", results.len());
        Self::new(Code::BatchRefused, detail).with(Members::Results { results })
    }

    /// A key is required and there is none where it belongs.
    pub(super) fn key_missing(place: &str) -> Self {
        let detail = format!("this service executes a command only with a key, in {place}");
        Self::new(Code::IdempotencyKeyMissing, detail)
    }

    /// The key belongs to another request.
    pub(super) fn key_reused() -> Self {
        Self::new(
            Code::IdempotencyKeyReused,
            "this Idempotency-Key was used with another route or body",
        )
    }

    /// The same request is being executed somewhere else.
    pub(super) fn key_in_progress() -> Self {
        Self::new(
            Code::IdempotencyInProgress,
            "a request with this Idempotency-Key is being executed now",
        )
        .retry_after(Duration::from_secs(1))
    }

    /// Something that is named and does not exist.
    pub(super) fn missing(code: Code, detail: impl Into<String>, id: impl Into<String>) -> Self {
        Self::new(code, detail).with(Members::Id { id: id.into() })
    }

    /// Commands are not let in: the service has no database yet, or is stopping.
    pub(super) fn nothing_recorded() -> Self {
        Self::new(Code::Unavailable, NOTHING_RECORDED).retry_after(Duration::from_secs(1))
    }

    /// It happened or it did not, and only the key will tell.
    pub(super) fn outcome_unknown() -> Self {
        Self::new(Code::Unavailable, OUTCOME_UNKNOWN).retry_after(Duration::from_secs(1))
    }

    /// A read that got no answer.
    pub(super) fn log_unavailable() -> Self {
        Self::new(Code::Unavailable, "The log cannot be read now.")
            .retry_after(Duration::from_secs(1))
    }

    /// Something that should not be. The cause goes to the log under an id; the caller gets the id.
    pub(super) fn internal(cause: &dyn std::fmt::Display) -> Self {
        let id = Uuid::now_v7().to_string();
        tracing::error!(id, %cause, "a request failed");
        Self::new(Code::Internal, "the service's log has the cause under this id")
            .with(Members::Id { id })
    }

    /// The problem's code.
    pub fn code(&self) -> Code {
        self.code
    }
}

impl From<NotExecuted> for Problem {
    fn from(reason: NotExecuted) -> Self {
        match reason {
            NotExecuted::DeadlinePassed => Self::new(
                Code::DeadlineExceeded,
                "It waited too long for its turn. It was not executed and will not be.",
            )
            .retry_after(Duration::from_secs(1)),
            NotExecuted::DatabaseUnavailable => Self::nothing_recorded(),
            NotExecuted::Stopping => {
                Self::new(Code::Unavailable, "The service is stopping. Nothing was recorded.")
                    .retry_after(Duration::from_secs(1))
            }
            NotExecuted::TooLarge { limit } => Self::new(
                Code::BodyTooLarge,
                "Its events would take more bytes than one transaction may. Nothing was recorded; \
                 divide it.",
            )
            .with(Members::Limit { limit }),
            NotExecuted::TooManyEvents { limit } => Self::new(
                Code::BatchTooLarge,
                format!(
                    "One reversal takes back at most {limit} events. Nothing was recorded; reverse \
                     a window, or event by event."
                ),
            )
            .with(Members::Limit { limit }),
            NotExecuted::Unreadable => {
                Self::internal(&"a stream holds an event that this version does not know")
            }
            NotExecuted::QueueFull { retry_after } => {
                Self::new(Code::Overloaded, "The queue is full. Nothing was recorded.")
                    .retry_after(retry_after)
            }
        }
    }
}

impl From<WindowError> for Problem {
    fn from(error: WindowError) -> Self {
        match error {
            WindowError::KeyReused => Self::key_reused(),
            WindowError::TooLarge { limit } => {
                Self::new(Code::BatchTooLarge, format!("the window {error}"))
                    .with(Members::Limit { limit })
            }
            WindowError::Log(error) => error.into(),
        }
    }
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Unavailable(cause) => {
                tracing::warn!(%cause, "a read failed");
                Self::log_unavailable()
            }
            ReadError::Corrupt(cause) => Self::internal(&cause),
        }
    }
}

/// The document, as the body of an answer or a part of one.
impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let document = Document {
            kind: format!("/problems/{}", self.code.name()),
            title: self.code.title(),
            status: self.code.status().as_u16(),
            detail: &self.detail,
            members: &self.members,
        };
        document.serialize(serializer)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self)
            .expect("a problem is text, integers and lists of them, which JSON can hold");
        let mut response = (self.code.status(), body).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(pause) = self.retry_after {
            // Whole seconds, and never "at once".
            let seconds = pause.as_secs() + u64::from(pause.subsec_nanos() > 0);
            headers.insert(RETRY_AFTER, seconds.max(1).into());
        }
        response
    }
}
