//! One problem, as the caller gets it.

use std::borrow::Cow;
use std::fmt::Display;
use std::time::Duration;

use axum::http::StatusCode;
use axum::http::header::{
    ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
};
use axum::response::{IntoResponse, Response};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};
use utoipa::ToSchema;
use uuid::Uuid;

use super::Catalogue;

/// The pause that a 503 asks for, unless another one is set.
const RETRY_AFTER_DEFAULT: Duration = Duration::from_secs(1);

/// A problem document (RFC 9457 §3).
#[derive(Debug, Clone)]
pub struct Document<C> {
    code: C,
    detail: Cow<'static, str>,
    /// Members of this problem beyond those that all have, in reading order.
    members: Vec<(&'static str, Box<RawValue>)>,
    advice: Option<Advice>,
}

/// What a header of the answer asks of the caller.
#[derive(Debug, Clone, Copy)]
enum Advice {
    RetryAfter(Duration),
    SendAs(&'static str),
    EncodeAs(&'static str),
    SignIn,
}

/// RFC 9457. Further members depend on the code; `type` leads to a page about it.
#[derive(ToSchema)]
#[schema(as = Problem)]
#[expect(dead_code, reason = "it describes what `Document` writes, and is never filled")]
pub struct ProblemDocument {
    #[schema(rename = "type", example = "/problems/insufficient_stock")]
    kind: String,
    title: String,
    #[schema(example = 409)]
    status: u16,
    detail: String,
}

/// One fault of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Where it is, as an RFC 6901 pointer.
    pub pointer: String,
    /// What is wrong there. It continues a sentence that begins with the place.
    pub message: String,
}

impl Fault {
    /// The message about a required member that is not there.
    pub const MISSING: &str = "is missing";

    pub fn new(pointer: impl Display, message: impl Display) -> Self {
        Self { pointer: pointer.to_string(), message: message.to_string() }
    }
}

impl<C: Catalogue> Document<C> {
    pub fn new(code: C, detail: impl Into<Cow<'static, str>>) -> Self {
        let is_temporary = code.kind().status == StatusCode::SERVICE_UNAVAILABLE;
        let advice = is_temporary.then_some(Advice::RetryAfter(RETRY_AFTER_DEFAULT));
        Self { code, detail: detail.into(), members: Vec::new(), advice }
    }

    pub fn with(mut self, name: &'static str, value: impl Serialize) -> Self {
        let value = to_raw_value(&value).expect("members are text, integers and lists of them");
        self.members.push((name, value));
        self
    }

    pub fn retry_after(self, pause: Duration) -> Self {
        self.advise(Advice::RetryAfter(pause))
    }

    fn advise(self, advice: Advice) -> Self {
        Self { advice: Some(advice), ..self }
    }

    pub fn internal(cause: &dyn Display) -> Self {
        let id = Uuid::now_v7();
        tracing::error!(%id, %cause, "a request failed");
        Self::new(C::INTERNAL, "the service's log has the cause under this id")
            .with("id", id.to_string())
    }

    pub fn not_found() -> Self {
        Self::new(C::NOT_FOUND, "there is nothing at this path")
    }

    pub fn validation_failed(errors: Vec<Fault>) -> Self {
        let detail = match errors.as_slice() {
            [Fault { pointer, message }] if pointer.is_empty() => format!("the body {message}"),
            [Fault { pointer, message }] => format!("{pointer} {message}"),
            faults => format!("{} faults; `errors` has each with its place", faults.len()),
        };
        Self::new(C::VALIDATION_FAILED, detail).with("errors", errors)
    }

    pub fn body_too_large(limit: usize) -> Self {
        Self::new(C::BODY_TOO_LARGE, format!("a body has at most {limit} bytes"))
            .with("limit", limit)
    }

    pub fn malformed_body(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(C::MALFORMED_BODY, detail)
    }

    /// A body that is not JSON by its media type.
    pub fn unsupported_media_type() -> Self {
        let detail = "a body is sent as Content-Type: application/json, in UTF-8";
        Self::new(C::UNSUPPORTED_MEDIA_TYPE, detail).advise(Advice::SendAs("application/json"))
    }

    /// A body in a content or transfer coding.
    pub fn unsupported_coding() -> Self {
        let detail = "a body is sent as it is, without a coding such as gzip";
        Self::new(C::UNSUPPORTED_MEDIA_TYPE, detail).advise(Advice::EncodeAs("identity"))
    }

    /// Nobody is proved to have sent the request.
    pub fn unauthenticated(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(C::UNAUTHENTICATED, detail).advise(Advice::SignIn)
    }

    pub fn code(&self) -> C {
        self.code
    }
}

impl<C: Catalogue> Serialize for Document<C> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let kind = self.code.kind();
        let mut map = serializer.serialize_map(Some(4 + self.members.len()))?;
        map.serialize_entry("type", &format_args!("/problems/{}", kind.code))?;
        map.serialize_entry("title", kind.title)?;
        map.serialize_entry("status", &kind.status.as_u16())?;
        map.serialize_entry("detail", &self.detail)?;
        for (name, value) in &self.members {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<C: Catalogue> IntoResponse for Document<C> {
    fn into_response(self) -> Response {
        let body =
            serde_json::to_vec(&self).expect("a problem is text, integers and lists of them");
        let mut response = (self.code.kind().status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(advice) = self.advice {
            let (name, value) = advice.header();
            headers.insert(name, value);
        }
        response
    }
}

impl Advice {
    fn header(self) -> (HeaderName, HeaderValue) {
        match self {
            Self::RetryAfter(pause) => {
                // Whole seconds, and never "at once".
                let seconds = pause.as_secs() + u64::from(pause.subsec_nanos() > 0);
                (RETRY_AFTER, seconds.max(1).into())
            }
            Self::SendAs(media_type) => (ACCEPT, HeaderValue::from_static(media_type)),
            Self::EncodeAs(coding) => (ACCEPT_ENCODING, HeaderValue::from_static(coding)),
            Self::SignIn => (WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")),
        }
    }
}
