//! Refusals and failures as RFC 9457 problem documents. Status codes stand here and nowhere else.

mod code;
#[cfg(test)]
mod tests;

use std::time::Duration;

use axum::http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use shared_events::values::{LocationCode, Sku};
use uuid::Uuid;

pub use self::code::Code;
use super::request::Fault;
use crate::inventory::{Rejection, Shortage};
use crate::log::read::ReadError;
use crate::log::submission::NotExecuted;

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

impl From<Rejection> for Problem {
    fn from(rejection: Rejection) -> Self {
        let detail = rejection.to_string();
        let (code, members) = match rejection {
            Rejection::UnknownSku { sku } => (Code::UnknownSku, Members::Item { sku }),
            Rejection::UnknownLocation { location } => {
                (Code::UnknownLocation, Members::Location { location })
            }
            Rejection::ItemInUse { sku } | Rejection::ItemHasStock { sku } => {
                (Code::ItemInUse, Members::Item { sku })
            }
            Rejection::ItemRetired { sku } => (Code::ItemRetired, Members::Item { sku }),
            Rejection::InsufficientStock { lines } => {
                (Code::InsufficientStock, Members::Lines { lines })
            }
            Rejection::VersionConflict { expected, actual } => (
                Code::VersionConflict,
                Members::Mismatch { expected: expected.0, actual: actual.0 },
            ),
            Rejection::StaleQuantity { expected, actual } => {
                (Code::StaleQuantity, Members::Mismatch { expected, actual })
            }
            Rejection::QuantityOverflow { sku: _, location: _ } => {
                (Code::QuantityOverflow, Members::None {})
            }
            Rejection::OccurredAtOutOfRange { earliest: _, latest: _ } => {
                (Code::OccurredAtOutOfRange, Members::None {})
            }
        };
        Self::new(code, detail).with(members)
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
                "What the command says freely, repeated in each of its events, is too much. Nothing \
                 was recorded; divide it.",
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

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.code.status();
        let document = Document {
            kind: format!("/problems/{}", self.code.name()),
            title: self.code.title(),
            status: status.as_u16(),
            detail: &self.detail,
            members: &self.members,
        };
        let body = serde_json::to_vec(&document)
            .expect("a problem is text, integers and lists of them, which JSON can hold");
        let mut response = (status, body).into_response();
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
