//! The log's endpoints: lanes, the events of a lane, a stream or all lanes together, and the state
//! of a stream.

pub(super) mod merged;
pub(super) mod state;

use std::sync::Arc;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::Uri;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use futures::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use shared_events::lane::Lane;
use shared_events::recorded::RecordedEvent;
use shared_events::stream::Stream;
use shared_events::time::Timestamp;
use tokio::time::timeout;
use utoipa::ToSchema;

use super::AppState;
use super::problem::{Code, Problem};
use super::request::{Fault, Faults, Members, PathText, digits, path_text, query, text};
use super::schema::{EventLine, EventRange, LanesQuery, ReadProblems};
use crate::log::read::{HeadsAt, History, LaneHead, LogReader, ReadError};

/// Events of one answer, unless the request says how many.
const LIMIT_DEFAULT: i64 = 1_000;
const LIMIT_MAX: i64 = 10_000;

/// Events read from the database, and kept in memory, at a time.
const PAGE_LEN: i64 = 500;

/// The lanes of the log.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Lanes {
    /// Lanes ascending.
    items: Vec<LaneHead>,
}

/// How far each lane is: now, or at a moment.
#[utoipa::path(
    get, path = "/v1/lanes", tag = "log",
    params(LanesQuery),
    responses((status = 200, description = "Lanes ascending", body = Lanes), ReadProblems),
)]
pub(super) async fn list_lanes(
    State(app): State<Arc<AppState>>,
    uri: Uri,
) -> Result<Json<Lanes>, Problem> {
    let at: Option<Timestamp> = parameters(&uri, |query| query.optional("at", text))?;
    let items = match at {
        None => app.log.heads().await?,
        Some(moment) => {
            // Each lane's lock is waited for, so the bound of a statement is not that of them all.
            let settling = timeout(app.config.answer_timeout, app.log.heads_at(moment));
            match settling.await.map_err(|_| Problem::log_unavailable())?? {
                HeadsAt::Settled(heads) => heads,
                HeadsAt::Ahead { now } => {
                    return Err(Problem::validation_failed(vec![Fault {
                        pointer: "/at".to_owned(),
                        message: format!("is ahead of the log's clock, {now}"),
                    }]));
                }
            }
        }
    };
    Ok(Json(Lanes { items }))
}

/// The events of a lane, one JSON object a line, by position.
#[utoipa::path(
    get, path = "/v1/lanes/{lane}/events", tag = "log",
    params(("lane" = u16, Path), EventRange),
    responses(
        (status = 200, description = "Finite NDJSON", body = EventLine,
            content_type = "application/x-ndjson"),
        ReadProblems,
    ),
)]
pub(super) async fn list_lane_events(
    State(app): State<Arc<AppState>>,
    lane: PathText,
    uri: Uri,
) -> Result<Response, Problem> {
    let lane = path_text(lane);
    let range = Range::of(&uri)?;
    let unknown =
        || Problem::missing(Code::NotFound, format!("the log has no lane {lane}"), lane.clone());
    let number = lane.parse().map(Lane).map_err(|_| unknown())?;
    answer(app.log.clone(), History::Lane(number), range, unknown).await
}

/// What a stream has: a stream's name has slashes, so what is asked of it stands after the last.
pub(super) async fn read_stream(
    State(app): State<Arc<AppState>>,
    path: PathText,
    uri: Uri,
) -> Result<Response, Problem> {
    let path = path_text(path);
    match path.rsplit_once('/') {
        Some((name, "events")) => list_stream_events(&app, name, &uri).await,
        Some((name, "state")) => {
            state::read_state(&app, name, &uri).await.map(IntoResponse::into_response)
        }
        _ => Err(Problem::new(Code::NotFound, format!("nothing is at {}", uri.path()))),
    }
}

/// The events of a stream, one JSON object a line, by version.
///
/// The name may stand in the path as it is or percent-encoded.
#[utoipa::path(
    get, path = "/v1/streams/{stream}/events", tag = "log",
    params(("stream" = String, Path, example = "stock/85123A/MAIN"), EventRange),
    responses(
        (status = 200, description = "Finite NDJSON", body = EventLine,
            content_type = "application/x-ndjson"),
        ReadProblems,
    ),
)]
async fn list_stream_events(app: &AppState, name: &str, uri: &Uri) -> Result<Response, Problem> {
    let range = Range::of(uri)?;
    let unknown =
        || Problem::missing(Code::UnknownStream, format!("there is no stream {name}"), name);
    let stream: Stream = name.parse().map_err(|_| unknown())?;
    answer(app.log.clone(), History::Stream(stream), range, unknown).await
}

/// Which part of a history is asked for.
#[derive(Debug, Clone, Copy)]
struct Range {
    /// The place before the first event.
    after: i64,
    /// Events at most.
    limit: i64,
}

impl Range {
    fn of(uri: &Uri) -> Result<Self, Problem> {
        parameters(uri, |query| Self {
            after: query.optional("after", digits(0..=i64::MAX - 1)).unwrap_or(0),
            limit: query.optional("limit", digits(1..=LIMIT_MAX)).unwrap_or(LIMIT_DEFAULT),
        })
    }
}

fn parameters<T>(uri: &Uri, read: impl FnOnce(&mut Members<'_>) -> T) -> Result<T, Problem> {
    let mut faults = Faults::default();
    let parameters = query(uri, &mut faults, read);
    let faults = faults.into_vec();
    match parameters {
        Some(parameters) if faults.is_empty() => Ok(parameters),
        _ => Err(Problem::validation_failed(faults)),
    }
}

/// Finite NDJSON, read page by page while it is sent. The first page is read before the answer
/// begins, so what is wrong then has its status; a later fault cuts the answer off, which the
/// reader sees because the last chunk never comes.
async fn answer(
    log: LogReader,
    history: History,
    range: Range,
    unknown: impl FnOnce() -> Problem,
) -> Result<Response, Problem> {
    let mut pages = Pages { log, history, next: range.after + 1, left: range.limit };
    let first = pages.next().await?;
    if first.is_empty() && !pages.log.exists(&pages.history).await? {
        return Err(unknown());
    }
    let first = (!first.is_empty()).then_some(Ok(first));
    let rest = stream::try_unfold(pages, async |mut pages| {
        let page = pages.next().await.inspect_err(|error| {
            tracing::warn!(%error, "a list of events was cut off");
        })?;
        Ok::<_, ReadError>((!page.is_empty()).then_some((page, pages)))
    });
    let lines = stream::iter(first).chain(rest).map_ok(|page| ndjson(&page));
    Ok(([(CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response())
}

/// A history's pages, until there are no more or enough.
struct Pages {
    log: LogReader,
    history: History,
    next: i64,
    left: i64,
}

impl Pages {
    /// The next page; empty at the end.
    async fn next(&mut self) -> Result<Vec<RecordedEvent>, ReadError> {
        let limit = self.left.min(PAGE_LEN);
        if limit == 0 {
            return Ok(Vec::new());
        }
        let page = self.log.page(&self.history, self.next, limit).await?;
        let len = i64::try_from(page.len()).unwrap_or(limit);
        self.next += len;
        // A short page was the last one.
        self.left = if len < limit { 0 } else { self.left - len };
        Ok(page)
    }
}

fn ndjson(events: &[RecordedEvent]) -> Bytes {
    let mut lines = Vec::new();
    for event in events {
        serde_json::to_writer(&mut lines, event)
            .expect("an event is text, integers and JSON, and memory takes what is written");
        lines.push(b'\n');
    }
    lines.into()
}
