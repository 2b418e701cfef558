//! Reads the log over HTTP, from the first command-service that answers.

use std::error::Error;
use std::iter::successors;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use reqwest::{Client, StatusCode, Url};
use serde::Deserialize;
use service_edge::server::CLIENT_IDLE_MAX;
use service_edge::sign_in::api_key::StoredKey;
use service_edge::sign_in::keys::KeyList;
use service_edge::tls::{trusting, trusting_nobody};
use shared_events::chain::Chain;
use shared_events::lane::{EventId, Lane, Position, PositionToken, Version};
use shared_events::lane_check::Redactions;
use shared_events::recorded::RecordedEvent;
use shared_events::stream::Stream;
use shared_events::time::Timestamp;
use tokio::time::Instant;

use crate::config::{LogConfig, Secret};
use crate::pipeline::checkpoint::Checkpoint;
use crate::pipeline::delivery::{Arrival, Heads, Page, Unreadable};
use crate::pipeline::fact::Fact;

/// Events about redactions in one page. Each may name a thousand others.
const REDACTIONS_LEN: u32 = 10;

/// How many bytes of one answer are read. The complete lines up to there are used.
const ANSWER_BYTES_MAX: usize = 8 << 20;

/// How long a command-service may take to accept a connection, before the next is tried.
const CONNECT_TIMEOUT_MAX: Duration = Duration::from_secs(2);

#[derive(Debug, Clone)]
pub struct LogClient {
    http: Client,
    bases: Arc<[Url]>,
    key: Option<Secret>,
    page_max: u32,
    timeout: Duration,
}

#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error("{}", with_causes(.0))]
    Http(reqwest::Error),
    #[error("the answer cannot be read: {0}")]
    Unreadable(#[from] serde_json::Error),
    #[error("a line of the answer has more than {ANSWER_BYTES_MAX} bytes")]
    TooLong,
}

impl From<reqwest::Error> for LogError {
    fn from(error: reqwest::Error) -> Self {
        // Part of the message, and so not also its source.
        Self::Http(error)
    }
}

/// What failed, down to why: the client itself only says that it failed.
fn with_causes(error: &reqwest::Error) -> String {
    let causes = successors(error.source(), |cause: &&dyn Error| (*cause).source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// One event as the log returned it, to be passed on unchanged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub id: EventId,
    pub recorded_at: Timestamp,
    /// JSON, without the line end.
    pub json: String,
}

impl LogError {
    /// Whether the log refused the request. Other instances would refuse it too.
    fn is_refusal(&self) -> bool {
        matches!(self, Self::Http(error) if error.status() == Some(StatusCode::UNPROCESSABLE_ENTITY))
    }

    /// Whether the log has no such thing.
    fn is_missing(&self) -> bool {
        matches!(self, Self::Http(error) if error.status() == Some(StatusCode::NOT_FOUND))
    }
}

impl LogClient {
    pub fn new(settings: &LogConfig) -> anyhow::Result<Self> {
        let timeout = settings.log_timeout_ms.0;
        let http = Client::builder()
            .tls_backend_preconfigured(tls(settings)?)
            .connect_timeout(timeout.min(CONNECT_TIMEOUT_MAX))
            .timeout(timeout)
            .pool_idle_timeout(CLIENT_IDLE_MAX)
            .build()?;
        Ok(Self {
            http,
            bases: settings.command_url.clone().into(),
            key: settings.command_key.clone().filter(|key| !key.reveal().is_empty()),
            page_max: settings.log_page_events,
            timeout,
        })
    }

    pub async fn heads(&self) -> Result<Heads, LogError> {
        let asked_at = Instant::now();
        let body = self.get("/v1/lanes", &[]).await?;
        let lanes: Lanes = serde_json::from_slice(&body)?;
        let head = |Head { lane, position, chain }| (lane, Checkpoint { position, chain });
        Ok(Heads { asked_at, lanes: lanes.items.into_iter().map(head).collect() })
    }

    /// The last position of every lane that was recorded at or before a moment. The same moment always
    /// gives the same positions. `None` if the moment is ahead of the log's clock.
    pub async fn heads_at(&self, moment: Timestamp) -> Result<Option<PositionToken>, LogError> {
        let body = match self.get("/v1/lanes", &[("at", moment.to_string())]).await {
            Err(error) if error.is_refusal() => return Ok(None),
            body => body?,
        };
        let lanes: Lanes = serde_json::from_slice(&body)?;
        Ok(Some(lanes.items.into_iter().map(|head| (head.lane, head.position)).collect()))
    }

    /// Events of a lane after a position; none at the end of the lane.
    pub async fn events_after(&self, lane: Lane, after: Position) -> Result<Page, LogError> {
        self.page_after(lane, after, self.page_max).await
    }

    /// The same, with at most `limit` events.
    pub async fn page_after(
        &self,
        lane: Lane,
        after: Position,
        limit: u32,
    ) -> Result<Page, LogError> {
        let path = format!("/v1/lanes/{lane}/events");
        let parameters =
            [("after", after.to_string()), ("limit", limit.min(self.page_max).to_string())];
        let body = self.get(&path, &parameters).await?;
        let events = arrivals(lane, &body);
        if events.is_empty() && !body.is_empty() {
            return Err(LogError::TooLong);
        }
        Ok(Page { lane, after, events })
    }

    /// What a lane says of its redactions.
    pub async fn redactions(&self, lane: Lane) -> Result<Redactions, LogError> {
        let path = format!("/v1/streams/{}/events", Stream::Redaction(lane.0));
        let mut redactions = Redactions::default();
        let mut after = Version::default();
        loop {
            let parameters = [("after", after.to_string()), ("limit", REDACTIONS_LEN.to_string())];
            let body = match self.get(&path, &parameters).await {
                Err(error) if error.is_missing() => return Ok(redactions),
                body => body?,
            };
            let page = arrivals(lane, &body);
            if page.is_empty() {
                return if body.is_empty() { Ok(redactions) } else { Err(LogError::TooLong) };
            }
            for arrival in page {
                let Ok(fact) = &arrival.content else { continue };
                redactions.follow(&fact.recorded);
                after = fact.recorded.version;
            }
        }
    }

    /// At most `limit` events of a lane after a position, unparsed. Fewer if they exceed `bytes_max`, but
    /// at least one if there is any.
    pub async fn lines_after(
        &self,
        lane: Lane,
        after: Position,
        limit: usize,
        bytes_max: usize,
    ) -> Result<Vec<Line>, LogError> {
        let path = format!("/v1/lanes/{lane}/events");
        let parameters = [("after", after.to_string()), ("limit", limit.to_string())];
        let body = self.get(&path, &parameters).await?;
        let lines = lines(&body, bytes_max)?;
        if lines.is_empty() && !body.is_empty() {
            return Err(LogError::TooLong);
        }
        Ok(lines)
    }

    /// The API keys that are valid now; `None` if that is the version that is known here, also after the
    /// wait for another.
    pub async fn api_keys(
        &self,
        known: Option<i64>,
        wait: Duration,
    ) -> Result<Option<KeyList>, LogError> {
        let wait = wait.min(self.timeout / 2);
        let parameters: Vec<(&str, String)> = match known {
            Some(known) => {
                vec![("known", known.to_string()), ("wait_ms", wait.as_millis().to_string())]
            }
            None => Vec::new(),
        };
        let body = self.get("/v1/keys", &parameters).await?;
        if body.is_empty() {
            return Ok(None);
        }
        let ApiKeys { version, items } = serde_json::from_slice(&body)?;
        Ok(Some(KeyList { version: Some(version), keys: items.into() }))
    }

    async fn get(&self, path: &str, parameters: &[(&str, String)]) -> Result<Vec<u8>, LogError> {
        let (last, others) = self.bases.split_last().expect("clap gives at least the default URL");
        for base in others {
            match self.get_from(base, path, parameters).await {
                Ok(body) => return Ok(body),
                Err(error) if error.is_refusal() => return Err(error),
                Err(error) => {
                    tracing::debug!(%base, %error, "this command-service does not answer")
                }
            }
        }
        self.get_from(last, path, parameters).await
    }

    async fn get_from(
        &self,
        base: &Url,
        path: &str,
        parameters: &[(&str, String)],
    ) -> Result<Vec<u8>, LogError> {
        let mut url = base.clone();
        url.set_path(&format!("{}{path}", base.path().trim_end_matches('/')));
        let mut request = self.http.get(url).query(parameters);
        if let Some(key) = &self.key {
            request = request.bearer_auth(key.reveal());
        }
        let answer = request.send().await?.error_for_status()?;
        let mut body = Vec::new();
        let mut chunks = answer.bytes_stream();
        while let Some(chunk) = chunks.next().await {
            body.extend_from_slice(&chunk?);
            if body.len() > ANSWER_BYTES_MAX {
                break;
            }
        }
        Ok(body)
    }
}

/// Whom to trust. A machine without trusted issuers can do without them where none is asked for.
fn tls(settings: &LogConfig) -> anyhow::Result<rustls::ClientConfig> {
    let is_asked_for = settings.command_url.iter().any(|url| url.scheme() == "https");
    match &settings.command_ca {
        None if !is_asked_for => trusting_nobody(),
        ca => trusting(ca.as_deref()),
    }
}

#[derive(Deserialize)]
struct ApiKeys {
    version: i64,
    items: Vec<StoredKey>,
}

#[derive(Deserialize)]
struct Lanes {
    items: Vec<Head>,
}

#[derive(Deserialize)]
struct Head {
    lane: Lane,
    position: Position,
    chain: Chain,
}

/// The events on the complete lines of an answer. A truncated last line is left for the next page.
fn arrivals(lane: Lane, body: &[u8]) -> Vec<Arc<Arrival>> {
    let end = body.iter().rposition(|byte| *byte == b'\n');
    let whole = &body[..end.map_or(0, |end| end + 1)];
    let lines = whole.split(|byte| *byte == b'\n');
    lines.filter(|line| !line.is_empty()).map(|line| Arc::new(arrival(lane, line))).collect()
}

fn arrival(lane: Lane, line: &[u8]) -> Arrival {
    let content = match serde_json::from_slice::<RecordedEvent>(line) {
        Ok(event) if event.lane == lane => Ok(Fact::of(event)),
        Ok(event) => Err(format!("the event is one of lane {}", event.lane)),
        Err(error) => Err(error.to_string()),
    };
    Arrival {
        lane,
        next_offset: None,
        content: content.map_err(|error| Unreadable {
            place: format!("the log's answer for lane {lane}"),
            error,
        }),
    }
}

/// The members of an event that are needed to pass it on.
#[derive(Deserialize)]
struct LineHead {
    lane: Lane,
    position: Position,
    recorded_at: Timestamp,
}

/// The complete lines of an answer. A truncated last line is left for the next page.
fn lines(body: &[u8], bytes_max: usize) -> Result<Vec<Line>, LogError> {
    let end = body.iter().rposition(|byte| *byte == b'\n').unwrap_or_default();
    let mut lines = Vec::new();
    let mut bytes = 0;
    for line in body[..end].split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        if bytes > 0 && bytes + line.len() > bytes_max {
            break;
        }
        bytes += line.len();
        let LineHead { lane, position, recorded_at } = serde_json::from_slice(line)?;
        let json = String::from_utf8_lossy(line).into_owned();
        lines.push(Line { id: EventId(lane, position), recorded_at, json });
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = "{\"lane\":3,\"position\":7,\"recorded_at\":\"2026-11-20T10:00:00Z\"}\n\
                        {\"lane\":3,\"position\":8,\"recorded_at\":\"2026-11-20T10:00:01Z\"}\n";

    fn positions(body: &str, bytes_max: usize) -> Vec<i64> {
        let lines = lines(body.as_bytes(), bytes_max).expect("lines of events");
        lines.iter().map(|line| line.id.1.0).collect()
    }

    #[test]
    fn complete_lines_are_taken_and_the_rest_is_left() {
        assert_eq!(positions(BODY, 1_000), [7, 8]);
        assert_eq!(positions(&BODY[..BODY.len() - 1], 1_000), [7]);
        assert_eq!(positions("", 1_000), [0; 0]);
        assert_eq!(positions("{\"lane\"", 1_000), [0; 0]);
    }

    #[test]
    fn the_size_is_bounded_but_one_line_always_fits() {
        assert_eq!(positions(BODY, 1), [7]);
    }
}
