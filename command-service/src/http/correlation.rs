//! Correlation ids of requests.

use axum::extract::Request;
use axum::http::HeaderValue;
use axum::middleware::Next;
use axum::response::Response;

use super::json::Faults;
use super::request::{CORRELATION_ID, Correlation, correlation_id, new_correlation_id};

/// Gives the request a correlation id and answers with it.
pub(super) async fn correlate(mut request: Request, next: Next) -> Response {
    // A faulty id is replaced here; the handler of a command refuses it.
    let given = correlation_id(request.headers(), &mut Faults::default());
    let id = given.unwrap_or_else(new_correlation_id);
    request.extensions_mut().insert(Correlation(id.clone()));

    let mut response = next.run(request).await;

    let shown =
        HeaderValue::from_bytes(id.as_str().as_bytes()).expect("a label has no control characters");
    response.headers_mut().insert(CORRELATION_ID, shown);
    response
}
