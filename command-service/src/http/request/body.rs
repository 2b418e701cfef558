//! The bytes of a request's body, bounded in size and time.

use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::HeaderMap;
use futures::StreamExt;
use tokio::time::timeout;

use super::header;
use crate::http::problem::{Code, Problem};

/// Bytes that the body of one command may have.
pub(crate) const COMMAND_BYTES_MAX: usize = 1 << 20;

/// Bytes that the body of a batch may have.
pub(crate) const BATCH_BYTES_MAX: usize = 8 << 20;

/// How long a body may take to arrive.
const ARRIVAL_MAX: Duration = Duration::from_secs(10);

/// Reads a body of at most `bytes_max`, which must be there and must be JSON by its media type.
pub(crate) async fn read(
    headers: &HeaderMap,
    body: Body,
    bytes_max: usize,
) -> Result<Bytes, Problem> {
    if body.is_end_stream() {
        return Err(Problem::new(Code::MalformedBody, "there is no body"));
    }
    if !header::is_json(headers) {
        return Err(Problem::new(
            Code::UnsupportedMediaType,
            "a body is sent as Content-Type: application/json, in UTF-8",
        ));
    }
    let collected = timeout(ARRIVAL_MAX, collect(body, bytes_max)).await;
    let bytes = collected.unwrap_or_else(|_| {
        Err(Problem::new(Code::MalformedBody, "the body did not arrive within ten seconds"))
    })?;
    if bytes.is_empty() {
        return Err(Problem::new(Code::MalformedBody, "there is no body"));
    }
    Ok(bytes)
}

async fn collect(body: Body, bytes_max: usize) -> Result<Bytes, Problem> {
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > bytes_max {
        return Err(Problem::body_too_large(bytes_max));
    }
    let mut chunks = body.into_data_stream();
    let mut collected = Vec::with_capacity(announced);
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| {
            Problem::new(Code::MalformedBody, format!("the body did not arrive whole: {error}"))
        })?;
        if collected.len() + chunk.len() > bytes_max {
            return Err(Problem::body_too_large(bytes_max));
        }
        collected.extend_from_slice(&chunk);
    }
    Ok(collected.into())
}
