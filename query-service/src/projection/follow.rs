//! The loop of a projection: takes what came in, applies what comes next, and sees to the rest.

mod absorb;
mod catch_up;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use shared_events::lane::{Lane, LaneMap, Position};
use sqlx::PgPool;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::backoff::{Backoff, Stopping};
use crate::config::{self, ProjectionConfig};
use crate::consumer::gap::Fetcher;
use crate::projection::ProjectionVersion;
use crate::projection::apply;
use crate::projection::checkpoint::Checkpoint;
use crate::projection::delivery::{Arrival, Delivery};
use crate::projection::follow::catch_up::Compared;
use crate::projection::plan::Arrivals;
use crate::projection::progress::Progress;

/// What the loop tells the consumer.
#[derive(Debug, Default)]
pub struct Feedback {
    /// Where Kafka should go on, by lane; committed there as a hint.
    pub offsets: watch::Sender<BTreeMap<Lane, i64>>,
    /// Lanes that Kafka did not bring although the log went on, when last compared.
    pub stalled: watch::Sender<BTreeSet<Lane>>,
}

/// What a [`Follower`] works with.
pub struct Tools {
    /// Which projection it keeps.
    pub projection: ProjectionVersion,
    /// Its own connections.
    pub pool: PgPool,
    /// Which lane each key belongs to.
    pub lane_map: LaneMap,
    /// Bounds.
    pub settings: ProjectionConfig,
    /// Reads the log itself.
    pub fetcher: Fetcher,
    /// Where it tells how far it is.
    pub progress: Arc<Progress>,
    /// Where it tells the consumer.
    pub feedback: Arc<Feedback>,
    /// Ends it after the batch in hand.
    pub stop: CancellationToken,
}

/// A lane that is stopped.
#[derive(Debug, Clone, Copy)]
struct Stopped {
    /// The last position applied.
    at: Position,
    /// When the event after it was last tried.
    tried_at: Instant,
}

/// Keeps one projection up to date.
pub struct Follower {
    tools: Tools,
    checkpoints: BTreeMap<Lane, Checkpoint>,
    /// Lanes that are stopped in front of an event.
    stopped: BTreeMap<Lane, Stopped>,
    /// Lanes that are read from the log, with the last position known to exist.
    fetching: BTreeMap<Lane, Position>,
    /// Where each lane was when last compared with the log's head.
    compared: BTreeMap<Lane, Compared>,
    /// Whether Kafka brought anything since the last comparison.
    kafka_brings: bool,
    /// Lanes that came in but are not of this log, so that each is told once.
    strangers: BTreeSet<Lane>,
}

impl Follower {
    /// A follower that has applied nothing yet; it loads its checkpoints first.
    pub fn new(tools: Tools) -> Self {
        Self {
            tools,
            checkpoints: BTreeMap::new(),
            stopped: BTreeMap::new(),
            fetching: BTreeMap::new(),
            compared: BTreeMap::new(),
            kafka_brings: false,
            strangers: BTreeSet::new(),
        }
    }

    /// Follows until told to stop, or until nothing more can come in.
    pub async fn run(mut self, mut inbox: mpsc::Receiver<Delivery>) {
        if self.reload().await.is_err() {
            return;
        }
        let stop = self.tools.stop.clone();
        let mut next = None;
        loop {
            let delivery = match next.take() {
                Some(delivery) => delivery,
                None => match stop.run_until_cancelled(inbox.recv()).await.flatten() {
                    Some(delivery) => delivery,
                    None => return,
                },
            };
            let outcome = match delivery {
                Delivery::Records(records) => {
                    let (arrivals, after) = self.collect(records, &mut inbox);
                    next = after;
                    self.absorb(arrivals).await
                }
                Delivery::Page(page) => self.absorb_page(page).await,
                Delivery::Heads(heads) => self.compare_heads(heads).await,
            };
            if outcome == Err(Stopping) {
                return;
            }
        }
    }

    /// Takes what else is there, up to the bound, and sorts it by lane. Gives back a delivery of
    /// another kind that came between.
    fn collect(
        &mut self,
        first: Vec<Arrival>,
        inbox: &mut mpsc::Receiver<Delivery>,
    ) -> (Arrivals, Option<Delivery>) {
        self.kafka_brings = true;
        let mut arrivals = Arrivals::new();
        let batch = config::count(self.tools.settings.batch_events_max);
        let mut count = 0;
        let mut records = first;
        loop {
            count += records.len();
            for arrival in records {
                self.sort_in(&mut arrivals, arrival);
            }
            if count >= batch {
                return (arrivals, None);
            }
            match inbox.try_recv() {
                Ok(Delivery::Records(more)) => records = more,
                Ok(other) => return (arrivals, Some(other)),
                Err(_) => return (arrivals, None),
            }
        }
    }

    fn sort_in(&mut self, arrivals: &mut Arrivals, arrival: Arrival) {
        let lane = arrival.lane;
        if self.stopped.contains_key(&lane) {
            return;
        }
        if self.checkpoints.contains_key(&lane) {
            arrivals.entry(lane).or_default().push(arrival);
        } else {
            self.tell_of_stranger(lane);
        }
    }

    /// Tells once that a lane came up which the read database was not made for.
    fn tell_of_stranger(&mut self, lane: Lane) {
        if self.strangers.insert(lane) {
            tracing::error!(%lane, "the read database was made for fewer lanes; this one is left out");
        }
    }

    /// Takes the stored checkpoints for true, trying until they are there.
    async fn reload(&mut self) -> Result<(), Stopping> {
        let mut backoff = Backoff::up_to(self.tools.settings.retry_pause_max_ms.0);
        loop {
            match apply::load_checkpoints(&self.tools.pool, self.tools.projection).await {
                Ok(checkpoints) => {
                    let stored = checkpoints.iter().map(|(lane, at)| (*lane, at.position));
                    self.tools.progress.replace(stored.collect());
                    self.checkpoints = checkpoints;
                    self.tools.progress.set_trouble(None);
                    return Ok(());
                }
                Err(error) => {
                    tracing::warn!(%error, "checkpoints cannot be read, trying again");
                    self.tools.progress.set_trouble(Some(error.to_string()));
                    backoff.pause(&self.tools.stop).await?;
                }
            }
        }
    }
}
