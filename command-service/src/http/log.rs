//! The log over HTTP: lanes, the events of a lane, a stream or all lanes, and the state of a stream.

pub(crate) mod event;
pub(crate) mod merged;
pub(crate) mod state;

use std::sync::Arc;
use std::vec;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Extension, State};
use axum::http::Uri;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use futures::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use service_edge::sign_in::SignedIn;
use shared_events::lane::EventId;
use shared_events::recorded::RecordedEvent;
use shared_events::stream::Stream;
use shared_events::time::Timestamp;
use shared_events::values::AMOUNT_MAX;
use tokio::time::timeout;
use utoipa::ToSchema;

use super::AppState;
use super::json::numbers::IntegerOr;
use super::json::{Fault, InQuery, object};
use super::openapi::ReadProblems;
use super::problem::{Code, Problem};
use super::request::{PathText, path_text, query};
use crate::log::read::{HeadsAt, History, LaneHead, LogReader, ReadError};

/// Events read from the database, and kept in memory, at a time.
const PAGE_LEN: i64 = 500;

/// How many events an answer has at most.
type Limit = IntegerOr<1_000, 1, 10_000>;

/// The position or version before the first event; there is always room for one more after it.
type After = IntegerOr<0, 0, AMOUNT_MAX>;

object! {
    /// The moment at which the lanes are listed.
    pub(crate) struct LanesQuery {
        /// Each lane's last event recorded at or before this moment, settled: the same moment gives
        /// the same answer forever. A moment ahead of the log's clock is refused.
        #[serde(default)]
        at: Option<Timestamp>,
    }
}

object! {
    /// The part of a history that is listed.
    pub(crate) struct EventRange {
        /// The place before the first event: a position in a lane, a version in a stream.
        #[serde(default)]
        after: After,
        /// Events at most.
        #[serde(default)]
        limit: Limit,
    }
}

/// The lanes of the log.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Lanes {
    /// Lanes ascending.
    items: Vec<LaneHead>,
}

/// How far each lane is: now, or at a moment.
#[utoipa::path(
    get, path = "/v1/lanes", tag = "log",
    params(InQuery::<LanesQuery>),
    responses((status = 200, description = "Lanes ascending", body = Lanes), ReadProblems),
)]
pub(crate) async fn list_lanes(
    State(app): State<Arc<AppState>>,
    uri: Uri,
) -> Result<Json<Lanes>, Problem> {
    let LanesQuery { at } = query::parse(&uri)?;
    let items = match at {
        None => app.log.heads().await?,
        Some(moment) => {
            // Each lane's lock is waited for, so the bound of a statement is not that of them all.
            let settling = timeout(app.config.answer_timeout, app.log.heads_at(moment));
            match settling.await.map_err(|_| Problem::log_unavailable())?? {
                HeadsAt::Settled(heads) => heads,
                HeadsAt::Ahead { now } => {
                    return Err(fault("/at", format!("is ahead of the log's clock, {now}")));
                }
            }
        }
    };
    Ok(Json(Lanes { items }))
}

/// One event, as one line of NDJSON.
#[derive(Debug, ToSchema)]
#[schema(as = Event)]
#[expect(dead_code, reason = "describes `RecordedEvent`, which the contract crate serializes")]
pub(crate) struct EventLine {
    #[schema(example = "3-1042")]
    id: String,
    lane: u16,
    position: i64,
    #[schema(example = "stock/85123A/MAIN")]
    stream: String,
    version: i64,
    #[schema(rename = "type", example = "StockReceived")]
    kind: String,
    schema_version: i16,
    #[schema(format = DateTime)]
    occurred_at: String,
    #[schema(format = DateTime)]
    recorded_at: String,
    actor: Option<String>,
    /// The credential that asked; null where nobody signed in.
    caller: Option<String>,
    correlation_id: String,
    causation_id: Option<String>,
    /// By type and schema_version.
    data: serde_json::Value,
    /// Personal data of the command, sealed.
    #[schema(required = false)]
    personal: PersonalLine,
    /// Members that were removed from it; absent if none was.
    #[schema(required = false)]
    redacted: Vec<String>,
    /// Of a redacted event: the SHA-256 of the data that was recorded, in lower hex.
    #[schema(required = false)]
    data_hash: String,
    /// Of an event whose personal data was removed: the hash of that, in lower hex.
    #[schema(required = false)]
    personal_hash: String,
    /// In lower hex.
    chain: String,
    /// Which members the chain covers; absent: 1.
    #[schema(required = false)]
    chain_version: u8,
}

/// Whose personal data it is, and the box that has it.
#[derive(Debug, ToSchema)]
#[schema(as = SealedPersonal)]
#[expect(dead_code, reason = "describes `Personal`, which the contract crate serializes")]
pub(crate) struct PersonalLine {
    subject: String,
    sealed: String,
}

/// The events of a lane, one JSON object a line, by position.
#[utoipa::path(
    get, path = "/v1/lanes/{lane}/events", tag = "log",
    params(("lane" = u16, Path), InQuery::<EventRange>),
    responses(
        (status = 200, description = "Finite NDJSON: an `Event` a line", body = String,
            content_type = "application/x-ndjson"),
        ReadProblems,
    ),
)]
pub(crate) async fn list_lane_events(
    State(app): State<Arc<AppState>>,
    lane: PathText,
    uri: Uri,
) -> Result<Response, Problem> {
    let lane = path_text(lane);
    let range = query::parse::<EventRange>(&uri)?;
    let unknown =
        || Problem::missing(Code::NotFound, format!("the log has no lane {lane}"), lane.clone());
    let number = lane.parse().map_err(|_| unknown())?;
    answer(app.log.clone(), History::Lane(number), range, unknown).await
}

/// What a stream has: a stream's name has slashes, so what is asked of it stands after the last.
pub(crate) async fn read_stream(
    State(app): State<Arc<AppState>>,
    path: PathText,
    signed_in: Option<Extension<SignedIn>>,
    uri: Uri,
) -> Result<Response, Problem> {
    let path = path_text(path);
    let asked = path.rsplit_once('/').and_then(|(name, _)| name.parse::<Stream>().ok());
    if let (Some(Extension(signed_in)), Some(stream)) = (signed_in, asked) {
        app.permit_stream(&signed_in, &stream).await?;
    }
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
    params(("stream" = String, Path, example = "stock/85123A/MAIN"), InQuery::<EventRange>),
    responses(
        (status = 200, description = "Finite NDJSON: an `Event` a line", body = String,
            content_type = "application/x-ndjson"),
        ReadProblems,
    ),
)]
async fn list_stream_events(app: &AppState, name: &str, uri: &Uri) -> Result<Response, Problem> {
    let range = query::parse::<EventRange>(uri)?;
    let unknown =
        || Problem::missing(Code::UnknownStream, format!("there is no stream {name}"), name);
    let stream: Stream = name.parse().map_err(|_| unknown())?;
    answer(app.log.clone(), History::Stream(stream), range, unknown).await
}

fn fault(pointer: &str, message: String) -> Problem {
    Problem::validation_failed(vec![Fault::new(pointer, message)])
}

/// The events of a history as finite NDJSON. The first page is read before the answer begins, so
/// that a problem found by then has its status.
async fn answer(
    log: LogReader,
    history: History,
    range: EventRange,
    unknown: impl FnOnce() -> Problem,
) -> Result<Response, Problem> {
    let source = Source::History { history, next: range.after.0 + 1, left: range.limit.0 };
    let mut pages = Pages { log, source };
    let first = pages.next().await?;
    if first.is_empty() && !pages.exists().await? {
        return Err(unknown());
    }
    Ok(([(CONTENT_TYPE, "application/x-ndjson")], pages.into_body(first)).into_response())
}

/// Events that are read page by page while they are sent.
struct Pages {
    log: LogReader,
    source: Source,
}

enum Source {
    History { history: History, next: i64, left: i64 },
    Events(vec::IntoIter<EventId>),
}

impl Pages {
    /// The next page; empty at the end.
    async fn next(&mut self) -> Result<Vec<RecordedEvent>, ReadError> {
        match &mut self.source {
            Source::History { history, next, left } => {
                let limit = PAGE_LEN.min(*left);
                if limit == 0 {
                    return Ok(Vec::new());
                }
                let page = self.log.page(history, *next, limit).await?;
                let len = i64::try_from(page.len()).unwrap_or(limit);
                *next += len;
                // A short page was the last one.
                *left = if len < limit { 0 } else { *left - len };
                Ok(page)
            }
            Source::Events(ids) => {
                let len = usize::try_from(PAGE_LEN).expect("a page is small");
                let ids: Vec<EventId> = ids.by_ref().take(len).collect();
                if ids.is_empty() { Ok(Vec::new()) } else { self.log.events(&ids).await }
            }
        }
    }

    async fn exists(&self) -> Result<bool, ReadError> {
        match &self.source {
            Source::History { history, .. } => self.log.exists(history).await,
            Source::Events(_) => Ok(true),
        }
    }

    /// An error after the first page cuts the answer off, which the reader notices because the last
    /// chunk never comes.
    fn into_body(self, first: Vec<RecordedEvent>) -> Body {
        let rest = stream::try_unfold(self, async |mut pages| {
            let page = pages.next().await.inspect_err(|error| {
                tracing::warn!(%error, "a list of events was cut off");
            })?;
            Ok::<_, ReadError>((!page.is_empty()).then_some((page, pages)))
        });
        Body::from_stream(stream::iter([Ok(first)]).chain(rest).map_ok(|page| ndjson(&page)))
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
