//! `/live`: the changes of the log as they happen, passed on from the query-service so that a page needs no
//! other origin.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Extension, Query, State};
use axum::http::HeaderMap;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use futures::future::pending;
use futures::{FutureExt, StreamExt};
use serde::Deserialize;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::frame;
use crate::services::{Failure, Services};
use crate::sessions::Session;

/// What answers pages that follow changes. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Live {
    services: Services,
    free: Arc<Semaphore>,
    end: CancellationToken,
}

impl Live {
    pub(crate) fn new(services: Services, pages_max: usize, end: CancellationToken) -> Self {
        Self { services, free: Arc::new(Semaphore::new(pages_max)), end }
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct Asked {
    after: String,
}

pub(crate) async fn follow(
    State(live): State<Live>,
    session: Option<Extension<Arc<Session>>>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let Live { services, free, end } = live;
    let Ok(permit) = free.try_acquire_owned() else {
        return Ok(frame::busy());
    };
    let seen = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    // Nobody follows changes with a session that is over.
    let (services, over) = match session {
        Some(Extension(who)) => (services.asked_with(&who.credential()), who.over().boxed()),
        None => (services, pending().boxed()),
    };
    let answer = services.changes(seen.unwrap_or(&asked.after)).await?;
    // The permit is held as long as the stream.
    let changes = answer.bytes_stream().take_until(end.cancelled_owned()).take_until(over);
    let changes = changes.map(move |chunk| {
        let _held = &permit;
        chunk
    });
    let headers = [(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-store")];
    Ok((headers, Body::from_stream(changes)).into_response())
}
