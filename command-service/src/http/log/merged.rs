//! The events of all lanes together.

use std::sync::Arc;
use std::vec;

use axum::body::Body;
use axum::extract::State;
use axum::http::Uri;
use axum::http::header::{CONTENT_TYPE, HeaderName};
use axum::response::{IntoResponse, Response};
use futures::{StreamExt, TryStreamExt, stream};
use shared_events::lane::PositionToken;
use shared_events::recorded::{EventId, RecordedEvent};
use tokio::time::timeout;

use super::{LIMIT_DEFAULT, LIMIT_MAX, PAGE_LEN, ndjson, parameters};
use crate::http::AppState;
use crate::http::problem::Problem;
use crate::http::request::{Fault, digits, text};
use crate::http::schema::{EventLine, MergedRange, ReadProblems};
use crate::log::read::{LogReader, Merged, ReadError};

/// After which position the list goes on.
const NEXT_POSITION: HeaderName = HeaderName::from_static("next-position");

/// The events of all lanes, one JSON object a line, by recorded_at, then lane, then position.
///
/// The list ends before what is not settled yet. Going on after Next-Position misses no event and
/// repeats none.
#[utoipa::path(
    get, path = "/v1/events", tag = "log",
    params(MergedRange),
    responses(
        (status = 200, description = "Finite NDJSON", body = EventLine,
            content_type = "application/x-ndjson",
            headers(("Next-Position" = String, description = "The position after the last line"))),
        ReadProblems,
    ),
)]
pub(in crate::http) async fn list_events(
    State(app): State<Arc<AppState>>,
    uri: Uri,
) -> Result<Response, Problem> {
    let (after, limit) = parameters(&uri, |query| {
        let after: Option<PositionToken> = query.optional("after", text);
        let limit = query.optional("limit", digits(1..=LIMIT_MAX)).unwrap_or(LIMIT_DEFAULT);
        (after.unwrap_or_default(), limit)
    })?;
    let limit = usize::try_from(limit).expect("a limit is small and positive");
    // Each lane's lock is waited for, so the bound of a statement is not that of them all.
    let merging = timeout(app.config.answer_timeout, app.log.merged(&after, limit));
    match merging.await.map_err(|_| Problem::log_unavailable())?? {
        Merged::Next { ids, position } => answer(app.log.clone(), ids, &position).await,
        Merged::UnknownLane(lane) => Err(Problem::validation_failed(vec![Fault {
            pointer: "/after".to_owned(),
            message: format!("names lane {lane}, which the log does not have"),
        }])),
    }
}

/// Read page by page while it is sent, as a single history is; events never change, so that their
/// ids are known is enough.
async fn answer(
    log: LogReader,
    ids: Vec<EventId>,
    position: &PositionToken,
) -> Result<Response, Problem> {
    let mut pages = Pages { log, ids: ids.into_iter() };
    let first = pages.next().await?;
    let rest = stream::try_unfold(pages, async |mut pages| {
        let page = pages.next().await.inspect_err(|error| {
            tracing::warn!(%error, "a list of events was cut off");
        })?;
        Ok::<_, ReadError>((!page.is_empty()).then_some((page, pages)))
    });
    let lines = stream::iter([Ok(first)]).chain(rest).map_ok(|page| ndjson(&page));
    let headers =
        [(CONTENT_TYPE, "application/x-ndjson".to_owned()), (NEXT_POSITION, position.to_string())];
    Ok((headers, Body::from_stream(lines)).into_response())
}

struct Pages {
    log: LogReader,
    ids: vec::IntoIter<EventId>,
}

impl Pages {
    /// The next page; empty at the end.
    async fn next(&mut self) -> Result<Vec<RecordedEvent>, ReadError> {
        let len = usize::try_from(PAGE_LEN).expect("a page is small");
        let ids: Vec<EventId> = self.ids.by_ref().take(len).collect();
        if ids.is_empty() { Ok(Vec::new()) } else { self.log.events(&ids).await }
    }
}
