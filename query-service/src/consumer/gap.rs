//! The log's own endpoints: the events that Kafka did not bring, and how far each lane goes.

mod lines;

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use reqwest::{Client, StatusCode, Url};
use serde::Deserialize;
use shared_events::chain::Chain;
use shared_events::lane::{Lane, Position, PositionToken};
use shared_events::recorded::RecordedEvent;
use shared_events::time::Timestamp;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

pub use self::lines::Line;
use crate::backoff::Backoff;
use crate::config::LogConfig;
use crate::projection::checkpoint::Checkpoint;
use crate::projection::delivery::{Arrival, Delivery, Fact, Heads, Page, Unreadable};

/// How many bytes of one answer are read; the lines that are whole by then are used.
const ANSWER_BYTES_MAX: usize = 8 << 20;

/// How long a command-service may take to accept a connection, before the next is tried.
const CONNECT_TIMEOUT_MAX: Duration = Duration::from_secs(2);

/// Asks the command-service, wherever one answers.
#[derive(Debug, Clone)]
pub struct LogClient {
    http: Client,
    bases: Arc<[Url]>,
    page_max: u32,
}

/// Why the log did not answer.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// No answer, or not a good one.
    #[error(transparent)]
    Http(#[from] reqwest::Error),
    /// The answer is not what the log would say.
    #[error("the answer cannot be read: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// A single line is larger than any event.
    #[error("a line of the answer has more than {ANSWER_BYTES_MAX} bytes")]
    TooLong,
}

impl LogError {
    /// Whether the log answered, and will not do what was asked.
    fn is_refusal(&self) -> bool {
        matches!(self, Self::Http(error) if error.status() == Some(StatusCode::UNPROCESSABLE_ENTITY))
    }
}

impl LogClient {
    /// A client for the log's endpoints.
    ///
    /// # Errors
    /// The HTTP client cannot be set up.
    pub fn new(settings: &LogConfig) -> reqwest::Result<Self> {
        let timeout = settings.log_timeout_ms.0;
        let http = Client::builder()
            .connect_timeout(timeout.min(CONNECT_TIMEOUT_MAX))
            .timeout(timeout)
            .build()?;
        Ok(Self {
            http,
            bases: settings.command_url.clone().into(),
            page_max: settings.log_page_events,
        })
    }

    /// The last event of every lane.
    ///
    /// # Errors
    /// None of the services answered well; the last one's error.
    pub async fn heads(&self) -> Result<Heads, LogError> {
        let asked_at = Instant::now();
        let body = self.get("/v1/lanes", &[]).await?;
        let lanes: Lanes = serde_json::from_slice(&body)?;
        let head = |Head { lane, position, chain }| (lane, Checkpoint { position, chain });
        Ok(Heads { asked_at, lanes: lanes.items.into_iter().map(head).collect() })
    }

    /// The last position of every lane that was recorded at or before a moment, settled: the same
    /// moment gives the same positions for ever. Nothing if it is ahead of the log's clock.
    ///
    /// # Errors
    /// None of the services answered well; the last one's error.
    pub async fn heads_at(&self, moment: Timestamp) -> Result<Option<PositionToken>, LogError> {
        let body = match self.get("/v1/lanes", &[("at", moment.to_string())]).await {
            Err(error) if error.is_refusal() => return Ok(None),
            body => body?,
        };
        let lanes: Lanes = serde_json::from_slice(&body)?;
        Ok(Some(lanes.items.into_iter().map(|head| (head.lane, head.position)).collect()))
    }

    /// Some events of a lane after a position; none at its end.
    ///
    /// # Errors
    /// None of the services answered well; the last one's error.
    pub async fn events_after(&self, lane: Lane, after: Position) -> Result<Page, LogError> {
        self.page_after(lane, after, self.page_max).await
    }

    /// The same, and so many events at most.
    ///
    /// # Errors
    /// None of the services answered well; the last one's error.
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

    async fn get(&self, path: &str, parameters: &[(&str, String)]) -> Result<Vec<u8>, LogError> {
        let (last, others) = self.bases.split_last().expect("clap gives at least the default URL");
        for base in others {
            match self.get_from(base, path, parameters).await {
                Ok(body) => return Ok(body),
                // Another instance would refuse it too.
                Err(error) if error.is_refusal() => return Err(error),
                Err(error) => tracing::debug!(%base, %error, "the log does not answer here"),
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
        let request = self.http.get(url).query(parameters);
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

/// The events on the whole lines of an answer; a last line that was cut off is left for the next page.
fn arrivals(lane: Lane, body: &[u8]) -> Vec<Arrival> {
    let end = body.iter().rposition(|byte| *byte == b'\n');
    let whole = &body[..end.map_or(0, |end| end + 1)];
    let lines = whole.split(|byte| *byte == b'\n');
    lines.filter(|line| !line.is_empty()).map(|line| arrival(lane, line)).collect()
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

/// Fetches pages in the background, a few at once, and hands them over.
#[derive(Debug, Clone)]
pub struct Fetcher {
    /// Asks the log.
    pub client: LogClient,
    /// How many lanes may be fetched at once.
    pub permits: Arc<Semaphore>,
    /// The longest pause between two tries.
    pub pause_max: Duration,
    /// Where pages are handed over.
    pub inbox: mpsc::Sender<Delivery>,
    /// Ends it.
    pub stop: CancellationToken,
}

impl Fetcher {
    /// Fetches the page after a position, trying until it is there. One page a lane is asked for at a
    /// time, so this is bounded by the number of lanes.
    pub fn fetch(&self, lane: Lane, after: Position) {
        let fetcher = self.clone();
        tokio::spawn(async move {
            let stop = fetcher.stop.clone();
            stop.run_until_cancelled(fetcher.fetch_until_there(lane, after)).await;
        });
    }

    async fn fetch_until_there(self, lane: Lane, after: Position) {
        let mut backoff = Backoff::up_to(self.pause_max);
        while let Err(error) = self.fetch_once(lane, after).await {
            tracing::warn!(%lane, position = %after, %error, "the log cannot be read, trying again");
            if backoff.pause(&self.stop).await.is_err() {
                return;
            }
        }
    }

    async fn fetch_once(&self, lane: Lane, after: Position) -> Result<(), LogError> {
        // The permit is held until the page is taken, so pages that wait are bounded too.
        let _permit = self.permits.acquire().await.expect("the permits are never closed");
        let page = self.client.events_after(lane, after).await?;
        // A closed inbox means that the service is stopping.
        let _ = self.inbox.send(Delivery::Page(page)).await;
        Ok(())
    }
}

/// Asks for the log's heads at a steady pace and hands them over, until told to stop.
pub async fn watch_heads(fetcher: Fetcher, interval: Duration) {
    let stop = fetcher.stop.clone();
    let watch = async {
        let mut ticks = tokio::time::interval(interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            match fetcher.client.heads().await {
                Ok(heads) => {
                    if fetcher.inbox.send(Delivery::Heads(heads)).await.is_err() {
                        return;
                    }
                }
                Err(error) => tracing::debug!(%error, "the log's heads cannot be read"),
            }
        }
    };
    stop.run_until_cancelled(watch).await;
}
