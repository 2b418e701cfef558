//! Problems: the one place where refusals become RFC 9457 documents with stable types.

mod fault;
mod kinds;

use std::any::Any;

use axum::Json;
use axum::extract::Path;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use serde::Serialize;
use serde_json::{Value, json};
use shared_events::lane::PositionToken;
use uuid::Uuid;

pub use self::fault::Fault;
use crate::http;
use crate::http::problem::kinds::Kind;
use crate::read_model::LanesUnknown;

const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

/// Everything that can be wrong with a request, or with answering it.
#[derive(Debug, Clone)]
pub enum Problem {
    /// No item with this sku was registered.
    UnknownSku(String),
    /// No location with this code was registered.
    UnknownLocation(String),
    /// No reservation with this id was made.
    UnknownReservation(String),
    /// There is nothing at this path.
    NotFound,
    /// The path is there, the method is not.
    MethodNotAllowed,
    /// The position that was asked for is not applied yet; this is.
    NotYetApplied(PositionToken),
    /// The read database is away.
    ProjectionUnavailable(String),
    /// More requests are in work than this instance takes.
    Overloaded,
    /// A position that is none, or not of this log.
    InvalidPosition(String),
    /// A cursor that was not given out for this list.
    InvalidCursor,
    /// A query parameter that does not fit, or is not known.
    InvalidParameter {
        /// Its name.
        parameter: String,
        /// What is wrong with it.
        detail: String,
    },
    /// The request has a body beyond the bound.
    BodyTooLarge,
    /// The body is missing, or no JSON.
    MalformedBody(String),
    /// The body is not sent as JSON.
    UnsupportedMediaType,
    /// The body does not fit; all that is wrong with it.
    ValidationFailed(Vec<Fault>),
    /// A fault of ours; the cause is in the log under this id, and nowhere else.
    Internal(Uuid),
}

impl Problem {
    /// The stable name of its type.
    pub fn code(&self) -> &'static str {
        self.kind().code
    }

    /// Writes the cause to the log and keeps only an id of it.
    pub fn internal(cause: &dyn std::fmt::Display) -> Self {
        let id = Uuid::now_v7();
        tracing::error!(%id, %cause, "a request failed");
        Self::Internal(id)
    }

    fn kind(&self) -> &'static Kind {
        match self {
            Self::UnknownSku(_) => &kinds::UNKNOWN_SKU,
            Self::UnknownLocation(_) => &kinds::UNKNOWN_LOCATION,
            Self::UnknownReservation(_) => &kinds::UNKNOWN_RESERVATION,
            Self::NotFound => &kinds::NOT_FOUND,
            Self::MethodNotAllowed => &kinds::METHOD_NOT_ALLOWED,
            Self::NotYetApplied(_) => &kinds::NOT_YET_APPLIED,
            Self::ProjectionUnavailable(_) => &kinds::PROJECTION_UNAVAILABLE,
            Self::Overloaded => &kinds::OVERLOADED,
            Self::InvalidPosition(_) => &kinds::INVALID_POSITION,
            Self::InvalidCursor => &kinds::INVALID_CURSOR,
            Self::InvalidParameter { .. } => &kinds::INVALID_PARAMETER,
            Self::BodyTooLarge => &kinds::BODY_TOO_LARGE,
            Self::MalformedBody(_) => &kinds::MALFORMED_BODY,
            Self::UnsupportedMediaType => &kinds::UNSUPPORTED_MEDIA_TYPE,
            Self::ValidationFailed(_) => &kinds::VALIDATION_FAILED,
            Self::Internal(_) => &kinds::INTERNAL,
        }
    }

    /// What is special about this case, for people, and its own members.
    fn particulars(self) -> (String, Value) {
        match self {
            Self::UnknownSku(sku) => {
                (format!("no item is registered as {sku:?}"), json!({ "sku": sku }))
            }
            Self::UnknownLocation(location) => (
                format!("no location is registered as {location:?}"),
                json!({ "location": location }),
            ),
            Self::UnknownReservation(id) => {
                (format!("no reservation was made as {id:?}"), json!({ "id": id }))
            }
            Self::NotFound => ("there is nothing at this path".to_owned(), json!({})),
            Self::MethodNotAllowed => {
                ("this path has other methods, see the Allow header".to_owned(), json!({}))
            }
            Self::NotYetApplied(position) => {
                (format!("the views are at {position}"), json!({ "position": position }))
            }
            Self::ProjectionUnavailable(detail) | Self::InvalidPosition(detail) => {
                (detail, json!({}))
            }
            Self::Overloaded => ("too many requests are in work".to_owned(), json!({})),
            Self::InvalidCursor => {
                ("the cursor was not given out for this list".to_owned(), json!({}))
            }
            Self::InvalidParameter { parameter, detail } => {
                (detail, json!({ "parameter": parameter }))
            }
            Self::BodyTooLarge => {
                ("the body is too large".to_owned(), json!({ "limit": http::BODY_BYTES_MAX }))
            }
            Self::MalformedBody(detail) => (detail, json!({})),
            Self::UnsupportedMediaType => {
                ("a body is sent as Content-Type: application/json".to_owned(), json!({}))
            }
            Self::ValidationFailed(faults) => {
                ("the body does not fit, see errors".to_owned(), json!({ "errors": faults }))
            }
            Self::Internal(id) => (
                format!("the cause is in the service's log under {id}"),
                json!({ "id": id.to_string() }),
            ),
        }
    }
}

/// The document itself (RFC 9457, section 3).
#[derive(Serialize)]
struct Document {
    #[serde(rename = "type")]
    problem_type: String,
    title: &'static str,
    status: u16,
    detail: String,
    #[serde(flatten)]
    members: Value,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let kind = self.kind();
        let (detail, members) = self.particulars();
        let document = Document {
            problem_type: format!("/problems/{}", kind.code),
            title: kind.title,
            status: kind.status.as_u16(),
            detail,
            members,
        };
        let mut response = (kind.status, Json(document)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, PROBLEM_JSON);
        if kind.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

impl From<LanesUnknown> for Problem {
    fn from(_: LanesUnknown) -> Self {
        Self::ProjectionUnavailable("the read database has not answered yet".to_owned())
    }
}

impl From<sqlx::Error> for Problem {
    /// SQLSTATE classes 08, 53, 57 and 58 mean that the database is away or overloaded
    /// (<https://www.postgresql.org/docs/current/errcodes-appendix.html>).
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error::{Database, Io, PoolClosed, PoolTimedOut, Protocol, Tls, WorkerCrashed};
        let is_away = match &error {
            Io(_) | PoolClosed | PoolTimedOut | Protocol(_) | Tls(_) | WorkerCrashed => true,
            Database(cause) => cause
                .code()
                .is_some_and(|code| matches!(code.get(..2), Some("08" | "53" | "57" | "58"))),
            _ => false,
        };
        if is_away {
            tracing::warn!(%error, "the read database is away");
            Self::ProjectionUnavailable("the read database does not answer".to_owned())
        } else {
            Self::internal(&error)
        }
    }
}

/// What a panic in a handler becomes.
pub fn of_panic(panic: Box<dyn Any + Send>) -> Response {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("a panic without text");
    Problem::internal(&text).into_response()
}

/// Gives the errors that the layers below answer with on their own (no route, another method, a body
/// beyond the bound) their document.
pub async fn of_bare_error(response: Response) -> Response {
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    let content_type = response.headers().get(CONTENT_TYPE);
    let is_bare = content_type.is_none_or(|kind| kind.as_bytes().starts_with(b"text/plain"));
    if !is_error || !is_bare {
        return response;
    }
    let problem = match status {
        // A path that is not UTF-8 names nothing.
        StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST => Problem::NotFound,
        StatusCode::METHOD_NOT_ALLOWED => Problem::MethodNotAllowed,
        StatusCode::PAYLOAD_TOO_LARGE => Problem::BodyTooLarge,
        other => Problem::internal(&format!("a layer answered {other}")),
    };
    let mut document = problem.into_response();
    for (name, value) in response.headers() {
        if name != CONTENT_TYPE && name != CONTENT_LENGTH {
            document.headers_mut().insert(name, value.clone());
        }
    }
    document
}

/// `GET /problems/{code}`: the page that a problem's type leads to.
pub async fn page(Path(code): Path<String>) -> Result<Html<String>, Problem> {
    let kind = kinds::ALL.iter().find(|kind| kind.code == code);
    let Kind { code, status, title, help } = kind.ok_or(Problem::NotFound)?;
    Ok(Html(format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{code}</title>\
         <h1>{title}</h1><p><code>{code}</code>, status {status}</p><p>{help}</p></html>\n"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_503_says_when_to_try_again() {
        let problems = [
            Problem::Overloaded,
            Problem::NotYetApplied(PositionToken::default()),
            Problem::ProjectionUnavailable(String::new()),
        ];
        for problem in problems {
            let response = problem.into_response();
            assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert!(response.headers().contains_key(RETRY_AFTER));
            assert_eq!(response.headers()[CONTENT_TYPE], PROBLEM_JSON);
        }
    }

    #[tokio::test]
    async fn a_bare_error_keeps_its_headers_and_gets_a_document() {
        let allow = [("allow", "GET,HEAD")];
        let bare = (StatusCode::METHOD_NOT_ALLOWED, allow).into_response();
        let document = of_bare_error(bare).await;
        assert_eq!(document.headers()[CONTENT_TYPE], PROBLEM_JSON);
        assert_eq!(document.headers()["allow"], "GET,HEAD");
    }

    #[tokio::test]
    async fn every_kind_has_its_page() {
        for kind in kinds::ALL {
            assert!(page(Path(kind.code.to_owned())).await.is_ok(), "{}", kind.code);
        }
        assert!(page(Path("teapot".to_owned())).await.is_err());
    }
}
