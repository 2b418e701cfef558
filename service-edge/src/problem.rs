//! Refusals and failures as RFC 9457 problem documents.
//!
//! A service declares its problems with [`problem_catalogue!`](crate::problem_catalogue). Codes,
//! statuses and help texts stand in that declaration and nowhere else.

mod catalogue;
mod document;
#[cfg(test)]
pub(crate) mod tests;

use std::any::Any;

use axum::extract::Path;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::response::{Html, IntoResponse, Response};

pub use self::catalogue::{Catalogue, Kind};
pub use self::document::{Document, Fault, ProblemDocument};

/// The answer to a request whose handler panicked.
pub fn of_panic<C: Catalogue>(panic: Box<dyn Any + Send>) -> Response {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("a panic without text");
    Document::<C>::internal(&text).into_response()
}

/// Gives a document to the errors that routing and layers answer as bare text: no such route, another
/// method.
pub fn of_bare_error<C: Catalogue>(response: Response) -> Response {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    let content_type = response.headers().get(CONTENT_TYPE);
    if content_type.is_some_and(|kind| !kind.as_bytes().starts_with(b"text/plain")) {
        return response;
    }
    let document = match status {
        // A path that is not UTF-8 names nothing.
        StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST => Document::not_found(),
        StatusCode::METHOD_NOT_ALLOWED => Document::new(
            C::METHOD_NOT_ALLOWED,
            "this path has other methods; see the Allow header",
        ),
        other => Document::internal(&format!("a layer answered {other}")),
    };
    let mut documented = document.into_response();
    for (name, value) in response.headers() {
        if name != CONTENT_TYPE && name != CONTENT_LENGTH {
            documented.headers_mut().insert(name, value.clone());
        }
    }
    documented
}

/// `GET /problems/{code}`: the page that a problem's `type` leads to.
pub async fn page<C: Catalogue>(Path(code): Path<String>) -> Response {
    match C::ALL.iter().map(|code| code.kind()).find(|kind| kind.code == code) {
        Some(kind) => Html(kind.page()).into_response(),
        None => Document::<C>::not_found().into_response(),
    }
}
