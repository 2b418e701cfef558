//! Request bodies: which are taken, and the JSON in them. Both services read theirs here, so that one
//! body means the same to both.

mod faults;
mod headers;
mod json;

use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::HeaderMap;
use futures::StreamExt;
use serde_json::Value;
use tokio::time::timeout;

pub use self::faults::{Faults, JsonPointer};
pub use self::json::Strict;
use crate::problem::{Catalogue, Document};

/// Bytes that a body may have, unless its route sets another limit.
pub const BODY_BYTES_MAX: usize = 1 << 20;

/// How long a body may take to arrive.
const ARRIVAL_MAX: Duration = Duration::from_secs(10);

/// Receives a body that must be there.
///
/// # Errors
/// As [`receive_optional`], or there is no body.
pub async fn receive<C: Catalogue>(
    headers: &HeaderMap,
    body: Body,
    bytes_max: usize,
) -> Result<Bytes, Document<C>> {
    let received = receive_optional(headers, body, bytes_max).await?;
    received.ok_or_else(|| Document::malformed_body("there is no body"))
}

/// Receives a body if there is one.
///
/// # Errors
/// Its headers say that it is not plain JSON in UTF-8, it has more than `bytes_max`, or it did not
/// arrive whole and in time.
pub async fn receive_optional<C: Catalogue>(
    headers: &HeaderMap,
    body: Body,
    bytes_max: usize,
) -> Result<Option<Bytes>, Document<C>> {
    if body.is_end_stream() {
        return Ok(None);
    }
    headers::check(headers)?;
    let bytes = collect_within(ARRIVAL_MAX, body, bytes_max).await?;
    Ok((!bytes.is_empty()).then_some(bytes))
}

async fn collect_within<C: Catalogue>(
    arrival_max: Duration,
    body: Body,
    bytes_max: usize,
) -> Result<Bytes, Document<C>> {
    timeout(arrival_max, collect(body, bytes_max)).await.unwrap_or_else(|_| {
        let seconds = arrival_max.as_secs();
        Err(Document::malformed_body(format!("the body did not arrive within {seconds} seconds")))
    })
}

async fn collect<C: Catalogue>(body: Body, bytes_max: usize) -> Result<Bytes, Document<C>> {
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > bytes_max {
        return Err(Document::body_too_large(bytes_max));
    }
    let mut chunks = body.into_data_stream();
    let mut collected = Vec::with_capacity(announced);
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| {
            Document::malformed_body(format!("the body did not arrive whole: {error}"))
        })?;
        if collected.len() + chunk.len() > bytes_max {
            return Err(Document::body_too_large(bytes_max));
        }
        collected.extend_from_slice(&chunk);
    }
    Ok(collected.into())
}

/// Reads a body as a tree.
///
/// # Errors
/// It is not one JSON text in UTF-8, is nested deeper than 128, or names a member twice.
pub fn tree<C: Catalogue>(body: &[u8]) -> Result<Value, Document<C>> {
    serde_json::from_slice(body)
        .map(|Strict(value)| value)
        .map_err(|error| Document::malformed_body(format!("the body is not JSON: {error}")))
}

#[cfg(test)]
mod tests {
    use axum::http::header::CONTENT_TYPE;
    use axum::http::{HeaderValue, StatusCode};
    use axum::response::IntoResponse;
    use futures::stream;

    use super::*;
    use crate::problem::tests::tea::Code;

    fn json() -> HeaderMap {
        [(CONTENT_TYPE, HeaderValue::from_static("application/json"))].into_iter().collect()
    }

    /// A body of unknown length.
    fn chunked(chunks: &[&'static str]) -> Body {
        let chunks: Vec<_> = chunks.iter().copied().map(Ok::<_, std::io::Error>).collect();
        Body::from_stream(stream::iter(chunks))
    }

    async fn received(body: Body) -> Result<Bytes, StatusCode> {
        let received = receive::<Code>(&json(), body, 4).await;
        received.map_err(|refused| refused.into_response().status())
    }

    #[tokio::test]
    async fn a_body_is_received_up_to_its_limit() {
        assert_eq!(received(Body::from("1234")).await.as_deref(), Ok(&b"1234"[..]));
        assert_eq!(received(chunked(&["12", "34"])).await.as_deref(), Ok(&b"1234"[..]));
        for large in [Body::from("12345"), chunked(&["123", "45"]), chunked(&["12345"])] {
            assert_eq!(received(large).await, Err(StatusCode::PAYLOAD_TOO_LARGE));
        }
    }

    #[tokio::test]
    async fn a_body_that_is_not_there_is_malformed_unless_it_is_optional() {
        for none in [Body::empty, || chunked(&[]), || chunked(&["", ""])] {
            assert_eq!(received(none()).await, Err(StatusCode::BAD_REQUEST));
            let optional = receive_optional::<Code>(&json(), none(), 4).await;
            assert_eq!(optional.expect("no fault"), None);
        }
        let broken = stream::iter([Ok("1"), Err(std::io::Error::other("reset"))]);
        assert_eq!(received(Body::from_stream(broken)).await, Err(StatusCode::BAD_REQUEST));
    }

    #[tokio::test]
    async fn a_body_that_does_not_arrive_is_malformed() {
        let silent = Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>());
        let refused = collect_within::<Code>(Duration::ZERO, silent, 4).await.expect_err("silence");
        assert_eq!(refused.code(), Code::MalformedBody);
    }
}
