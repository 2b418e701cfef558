//! Reads a lane of the log in order, for those who copy it to somewhere else. Each event has to follow from
//! the one before, so a copy never holds what the chain contradicts.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use service_edge::retry::Backoff;
use shared_events::lane::{Lane, Position};
use tokio::time::Instant;

use crate::pipeline::checkpoint::{Checkpoint, Step};
use crate::pipeline::delivery::{Arrival, Heads, Page};
use crate::pipeline::fact::Fact;
use crate::pipeline::log_client::{LogClient, LogError};

/// The longest pause between two tries.
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(2);

/// The log, and how long it may be unavailable before the copy gives up.
#[derive(Debug, Clone)]
pub struct PatientLog {
    log: LogClient,
    /// `None` if it is tried until the process ends.
    unavailable_max: Option<Duration>,
}

impl PatientLog {
    pub fn new(log: LogClient, unavailable_max: Option<Duration>) -> Self {
        Self { log, unavailable_max }
    }

    /// The last event of every lane.
    pub async fn heads(&self) -> anyhow::Result<Heads> {
        let mut tries = self.tries();
        loop {
            match self.log.heads().await {
                Ok(heads) => return Ok(heads),
                Err(error) => tries.again(error).await?,
            }
        }
    }

    async fn page_after(&self, lane: Lane, after: Position, limit: u32) -> anyhow::Result<Page> {
        let mut tries = self.tries();
        loop {
            match self.log.page_after(lane, after, limit).await {
                Ok(page) => return Ok(page),
                Err(error) => tries.again(error).await?,
            }
        }
    }

    fn tries(&self) -> Tries {
        let until = self.unavailable_max.map(|max| Instant::now() + max);
        Tries { backoff: Backoff::up_to(RETRY_PAUSE_MAX), until }
    }
}

/// The tries of one question.
struct Tries {
    backoff: Backoff,
    until: Option<Instant>,
}

impl Tries {
    async fn again(&mut self, error: LogError) -> anyhow::Result<()> {
        if self.until.is_some_and(|until| Instant::now() > until) {
            return Err(error).context("the log does not answer (COMMAND_URL)");
        }
        tracing::warn!(%error, "the log cannot be read, trying again");
        self.backoff.wait().await;
        Ok(())
    }
}

/// Reads one lane from an event on.
#[derive(Debug)]
pub struct LaneReader {
    log: PatientLog,
    lane: Lane,
    at: Checkpoint,
}

/// Events of a lane in order, without a gap, each with the right chain.
#[derive(Debug)]
pub struct Following(Vec<Arc<Arrival>>);

impl Following {
    pub fn facts(&self) -> impl Iterator<Item = &Fact> {
        self.0.iter().filter_map(|arrival| arrival.content.as_ref().ok())
    }
}

impl LaneReader {
    /// A reader of the events after this one.
    pub fn after(at: Checkpoint, lane: Lane, log: &PatientLog) -> Self {
        Self { log: log.clone(), lane, at }
    }

    /// The last event that was read.
    pub fn at(&self) -> Checkpoint {
        self.at
    }

    /// The next events, at least one, up to a position that the log has.
    pub async fn next(&mut self, to: Position) -> anyhow::Result<Following> {
        let Self { lane, at, .. } = *self;
        let limit = u32::try_from(to.0 - at.position.0).unwrap_or(u32::MAX);
        let page = self.log.page_after(lane, at.position, limit).await?;
        ensure!(!page.events.is_empty(), "lane {lane} ends at {}, but was longer", at.position);
        for arrival in &page.events {
            let fact = match &arrival.content {
                Ok(fact) => fact,
                Err(unreadable) => bail!("{}: {}", unreadable.place, unreadable.error),
            };
            let id = fact.recorded.id();
            match self.at.step(fact) {
                Step::Next => self.at = Checkpoint::after(&fact.recorded),
                Step::Broken => bail!(
                    "the chain of {id} does not follow from position {} of what was copied: the log was \
                     restored or changed. Copy it to a new place",
                    self.at.position
                ),
                Step::Gap | Step::Duplicate | Step::Fork => {
                    bail!("the log has {id} where {} ends at {}", self.lane, self.at.position)
                }
            }
        }
        Ok(Following(page.events))
    }
}
