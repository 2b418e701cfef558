//! The HTTP client of a replay. It repeats a request until the service decides it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use backon::{ExponentialBuilder, Retryable as _};
use reqwest::header::RETRY_AFTER;
use reqwest::{RequestBuilder, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use shared_events::lane::{PositionToken, Version};
use shared_events::stream::Stream;
use shared_events::values::Sku;

use super::plan::{Command, LOCATION};
use super::progress::Progress;
use crate::access::Access;

const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// The sum of all pauses before we give up.
const PATIENCE: Duration = Duration::from_secs(120);

/// The limit of one attempt: longer than a query waits for its position.
const ATTEMPT_MAX: Duration = Duration::from_secs(60);

/// One service, at one address or several.
#[derive(Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    bases: Vec<String>,
    next: AtomicUsize,
}

/// A decided answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Whether it is the stored answer to an earlier request with the same key.
    pub(crate) replayed: bool,
    pub(crate) body: String,
}

/// No decision yet: the service is unreachable, overloaded, behind, or busy with the same key.
#[derive(Debug, thiserror::Error)]
#[error("{why}")]
struct Undecided {
    why: String,
    retry_after: Option<Duration>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Accepted {
    pub(crate) position: PositionToken,
    pub(crate) events: Vec<AcceptedEvent>,
    #[serde(default)]
    pub(crate) figures: Vec<Row>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct AcceptedEvent {
    pub(crate) stream: Stream,
}

/// An item and its figures.
#[derive(Debug, Deserialize)]
pub(crate) struct Row {
    pub(crate) sku: Sku,
    #[serde(flatten)]
    pub(crate) figures: Figures,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Figures {
    pub(crate) on_hand: i64,
    pub(crate) reserved: i64,
    pub(crate) allocated: i64,
    pub(crate) available: i64,
    pub(crate) version: Version,
}

impl Client {
    pub(crate) fn new<'a>(
        urls: impl IntoIterator<Item = &'a Url>,
        access: &Access,
    ) -> anyhow::Result<Self> {
        let base = |url: &Url| url.as_str().trim_end_matches('/').to_owned();
        let bases: Vec<String> = urls.into_iter().map(base).collect();
        ensure!(!bases.is_empty(), "no address of the service is given");
        let http = access
            .client()?
            .connect_timeout(Duration::from_secs(5))
            .timeout(ATTEMPT_MAX)
            .build()
            .context("cannot make an HTTP client")?;
        Ok(Self { http, bases, next: AtomicUsize::new(0) })
    }

    /// Sends a command until it is decided, always under the same key.
    pub(crate) async fn send(
        &self,
        command: &Command,
        progress: &Progress,
    ) -> anyhow::Result<Answer> {
        let body = command.body.to_string();
        let build = |base: &str| {
            self.http
                .request(command.method.clone(), format!("{base}{}", command.path))
                .header("Content-Type", "application/json")
                .header("Idempotency-Key", &command.key)
                .header("Correlation-Id", &command.correlation_id)
                .header("Actor", "replay")
                .body(body.clone())
        };
        self.exchange(build, progress).await
    }

    /// The number of events in the log.
    pub(crate) async fn log_length(&self, progress: &Progress) -> anyhow::Result<u64> {
        let answer = self.get("/v1/lanes", &[], progress).await?;
        let lanes: Value = answer.json().context("GET /v1/lanes")?;
        let heads = lanes["items"].as_array().context("GET /v1/lanes has no items")?;
        Ok(heads.iter().filter_map(|head| head["position"].as_u64()).sum())
    }

    /// The Correlation-Id of the first event about the trade's location.
    pub(crate) async fn first_correlation(
        &self,
        progress: &Progress,
    ) -> anyhow::Result<Option<String>> {
        let path = format!("/v1/streams/location/{LOCATION}/events");
        let answer = self.get(&path, &[("limit", "1")], progress).await?;
        if answer.status == 404 {
            return Ok(None);
        }
        let event: Value = answer.json().with_context(|| format!("GET {path}"))?;
        Ok(event["correlation_id"].as_str().map(str::to_owned))
    }

    /// The stock of every item at the trade's location, as of `reached` or later.
    pub(crate) async fn stock(
        &self,
        reached: &PositionToken,
        progress: &Progress,
    ) -> anyhow::Result<BTreeMap<Sku, Figures>> {
        #[derive(Deserialize)]
        struct Page {
            items: Vec<Row>,
            next_cursor: Option<String>,
        }
        let reached = reached.to_string();
        let mut fixed = vec![("location", LOCATION), ("limit", "200")];
        if !reached.is_empty() {
            fixed.extend([("min_position", reached.as_str()), ("wait_ms", "30000")]);
        }
        let mut found = BTreeMap::new();
        let mut cursor: Option<String> = None;
        loop {
            let mut query = fixed.clone();
            query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
            let answer = self.get("/v1/stock", &query, progress).await?;
            let page: Page = answer.json().context("GET /v1/stock")?;
            let before = found.len();
            found.extend(page.items.into_iter().map(|row| (row.sku, row.figures)));
            progress.advance(found.len() - before);
            cursor = page.next_cursor;
            if cursor.is_none() {
                return Ok(found);
            }
            // A cursor that leads to nothing new would never end.
            ensure!(found.len() > before, "the pages of GET /v1/stock repeat");
        }
    }

    async fn get(
        &self,
        path: &str,
        query: &[(&str, &str)],
        progress: &Progress,
    ) -> anyhow::Result<Answer> {
        let build = |base: &str| self.http.get(format!("{base}{path}")).query(query);
        self.exchange(build, progress).await
    }

    /// Every attempt goes to the next address.
    async fn exchange(
        &self,
        build: impl Fn(&str) -> RequestBuilder,
        progress: &Progress,
    ) -> anyhow::Result<Answer> {
        let attempt = || async {
            let turn = self.next.fetch_add(1, Ordering::Relaxed);
            let base = &self.bases[turn % self.bases.len()];
            once(base, build(base)).await
        };
        let backoff = ExponentialBuilder::new()
            .with_min_delay(PAUSE_MIN)
            .with_max_delay(PAUSE_MAX)
            .with_total_delay(Some(PATIENCE))
            .without_max_times()
            .with_jitter();
        attempt
            .retry(backoff)
            .adjust(|undecided, pause| {
                let asked = undecided.retry_after.unwrap_or_default().min(PAUSE_MAX);
                pause.map(|pause| pause.max(asked))
            })
            .notify(|undecided, _| progress.waiting(&undecided.why))
            .await
            .with_context(|| {
                format!(
                    "no decision for {} s; nothing is lost: once `cargo stack up` runs, the same \
                     command continues where this one stopped",
                    PATIENCE.as_secs()
                )
            })
    }
}

async fn once(base: &str, request: RequestBuilder) -> Result<Answer, Undecided> {
    let unreachable = |error: reqwest::Error| Undecided {
        why: format!("{base}: {:#}", anyhow::Error::from(error.without_url())),
        retry_after: None,
    };
    let response = request.send().await.map_err(unreachable)?;
    let header = |name: &str| response.headers().get(name)?.to_str().ok();
    let replayed = header("Idempotency-Replayed") == Some("true");
    let seconds = header(RETRY_AFTER.as_str()).and_then(|seconds| seconds.parse().ok());
    let status = response.status().as_u16();
    let body = response.text().await.map_err(unreachable)?;
    let answer = Answer { status, replayed, body };
    if answer.is_undecided() {
        let why = format!("{base}: {status} {}", answer.body);
        return Err(Undecided { why, retry_after: seconds.map(Duration::from_secs) });
    }
    Ok(answer)
}

impl Answer {
    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body of a success.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> anyhow::Result<T> {
        ensure!(self.is_success(), "{} {}", self.status, self.body);
        serde_json::from_str(&self.body)
            .with_context(|| format!("the answer does not match the API: {}", self.body))
    }

    /// The code of a problem document: the last part of its `type`.
    pub(crate) fn problem(&self) -> String {
        let document: Value = serde_json::from_str(&self.body).unwrap_or_default();
        let code = document["type"].as_str().and_then(|kind| kind.rsplit('/').next());
        code.unwrap_or_default().to_owned()
    }

    fn is_undecided(&self) -> bool {
        self.status >= 500 || (!self.is_success() && self.problem() == "idempotency_in_progress")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer { status, replayed: false, body: body.to_owned() }
    }

    #[test]
    fn an_accepted_command_has_its_position_events_and_figures() {
        let body = r#"{"position":"3:1042","recorded_at":"2026-11-20T10:00:00.000000Z",
            "correlation_id":"c","events":[{"id":"3-1042","stream":"stock/85123A/MAIN","version":7,
            "type":"StockIssued"}],"figures":[{"sku":"85123A","location":"MAIN","on_hand":94,
            "reserved":0,"allocated":0,"available":94,"version":7}]}"#;
        let accepted: Accepted = answer(200, body).json().unwrap();
        assert_eq!(accepted.position.to_string(), "3:1042");
        assert_eq!(accepted.events[0].stream.to_string(), "stock/85123A/MAIN");
        assert_eq!(accepted.figures[0].figures.on_hand, 94);
        assert!(answer(200, "<html>").json::<Accepted>().is_err());
        assert!(answer(409, body).json::<Accepted>().is_err());
    }

    #[test]
    fn only_an_undecided_request_is_repeated() {
        let in_progress = r#"{"type":"/problems/idempotency_in_progress"}"#;
        assert!(answer(409, in_progress).is_undecided());
        assert!(answer(503, r#"{"type":"/problems/not_yet_applied"}"#).is_undecided());
        let reused = r#"{"type":"/problems/idempotency_key_reused"}"#;
        for (status, body) in [(422, reused), (404, "{}"), (409, "<html>"), (400, ""), (200, "")] {
            assert!(!answer(status, body).is_undecided(), "{status}");
        }
    }

    #[tokio::test]
    async fn a_service_that_is_away_is_asked_again_at_its_other_address() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let here = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
            loop {
                let (mut caller, _) = listener.accept().await.unwrap();
                let _ = caller.read(&mut [0; 1024]).await.unwrap();
                let answer = "HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\n{\"items\":[]}";
                caller.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        let [closed] = crate::ports::free().unwrap();
        let urls = [format!("http://127.0.0.1:{closed}"), here].map(|url| url.parse().unwrap());
        let client = Client::new(&urls, &Access::default()).unwrap();
        assert_eq!(client.log_length(&Progress::start("test", 0)).await.unwrap(), 0);
    }
}
