//! The bytes of a request's body, bounded in size and time.

use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::HeaderMap;
use futures::StreamExt;
use tokio::time::timeout;

use super::header;
use crate::http::problem::{Code, Problem};

/// Bytes that the body of one command may have.
pub(in crate::http) const BODY_BYTES_MAX: usize = 1 << 20;

/// What is read of a body that is too large, only to be dropped: a caller that is still sending
/// when the connection closes never sees the answer.
const DROPPED_BYTES_MAX: usize = 16 << 20;

/// How long a body may take to arrive.
const ARRIVAL_MAX: Duration = Duration::from_secs(10);

/// Reads a body that must be there and must be JSON by its media type.
pub(super) async fn read(headers: &HeaderMap, body: Body) -> Result<Bytes, Problem> {
    if body.is_end_stream() {
        return Err(Problem::new(Code::MalformedBody, "there is no body"));
    }
    if !header::is_json(headers) {
        return Err(Problem::new(
            Code::UnsupportedMediaType,
            "a body is sent as Content-Type: application/json, in UTF-8",
        ));
    }
    let collected = timeout(ARRIVAL_MAX, collect(body)).await;
    let bytes = collected.unwrap_or_else(|_| {
        Err(Problem::new(Code::MalformedBody, "the body did not arrive within ten seconds"))
    })?;
    if bytes.is_empty() {
        return Err(Problem::new(Code::MalformedBody, "there is no body"));
    }
    Ok(bytes)
}

async fn collect(body: Body) -> Result<Bytes, Problem> {
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > DROPPED_BYTES_MAX {
        return Err(Problem::body_too_large(BODY_BYTES_MAX));
    }
    let mut chunks = body.into_data_stream();
    let mut collected = Vec::with_capacity(announced.min(BODY_BYTES_MAX));
    let mut received = 0;
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| {
            Problem::new(Code::MalformedBody, format!("the body did not arrive whole: {error}"))
        })?;
        received += chunk.len();
        if received > DROPPED_BYTES_MAX {
            break;
        }
        if received <= BODY_BYTES_MAX {
            collected.extend_from_slice(&chunk);
        }
    }
    if received > BODY_BYTES_MAX {
        return Err(Problem::body_too_large(BODY_BYTES_MAX));
    }
    Ok(collected.into())
}
