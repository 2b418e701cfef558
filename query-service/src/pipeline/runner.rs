//! The loop that applies events to one version of a projection.

mod apply_batch;
mod catch_up;
mod crowding;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use service_edge::outage::Outage;
use service_edge::retry::{Backoff, Stopping};
use shared_events::lane::{Lane, Position};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::{Instant, timeout_at};

use self::crowding::Crowding;
use crate::config;
use crate::pipeline::apply;
use crate::pipeline::checkpoint::Checkpoint;
use crate::pipeline::context::Context;
use crate::pipeline::delivery::{Arrival, Delivery, LINGER_RECORDS_MAX, Records};
use crate::pipeline::plan::Arrivals;

/// A lane that is stopped.
#[derive(Debug, Clone, Copy)]
struct Stopped {
    /// The last position applied.
    at: Position,
    /// When the event after it was last tried.
    tried_at: Instant,
}

/// Where a lane was when it was compared with the head of the log.
#[derive(Debug, Clone, Copy)]
struct Compared {
    when: Instant,
    position: Position,
    /// Since when the log has been seen ahead of this position; `None` if it was not.
    behind_since: Option<Instant>,
}

/// Keeps one version of a projection up to date.
pub struct ProjectionRunner {
    context: Arc<Context>,
    checkpoints: BTreeMap<Lane, Checkpoint>,
    stopped: BTreeMap<Lane, Stopped>,
    /// Lanes that are read from the log, with the last position known to exist.
    fetching: BTreeMap<Lane, Position>,
    /// Where each lane was when last compared with the head of the log.
    compared: BTreeMap<Lane, Compared>,
    /// Whether Kafka brought anything since the last comparison.
    kafka_brings: bool,
    /// Lanes that do not belong to this log, each logged once.
    unknown_lanes: BTreeSet<Lane>,
    /// The last transaction may still commit, for nobody heard how it ended.
    in_doubt: bool,
    /// Until when records are gathered before they are applied.
    lingers_until: Instant,
    crowding: Crowding,
}

impl ProjectionRunner {
    pub fn new(context: Arc<Context>) -> Self {
        Self {
            context,
            checkpoints: BTreeMap::new(),
            stopped: BTreeMap::new(),
            fetching: BTreeMap::new(),
            compared: BTreeMap::new(),
            kafka_brings: false,
            unknown_lanes: BTreeSet::new(),
            in_doubt: false,
            lingers_until: Instant::now(),
            crowding: Crowding::default(),
        }
    }

    /// Runs until it is stopped or its inbox is closed.
    pub async fn run(mut self, mut inbox: mpsc::Receiver<Delivery>) {
        if self.reload().await.is_err() {
            return;
        }
        let stop = self.context.stop.clone();
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
                    let (arrivals, room, after) = self.gather(records, &mut inbox).await;
                    next = after;
                    let outcome = self.apply_batch(arrivals).await;
                    drop(room);
                    self.crowding.look(&self.context.pool).await;
                    outcome
                }
                Delivery::Page(page) => self.apply_page(page).await,
                Delivery::Heads(heads) => self.compare_heads(heads).await,
            };
            if outcome == Err(Stopping) {
                return;
            }
        }
    }

    /// Gathers records by lane, up to the batch size, while the view lingers. Returns a delivery of
    /// another kind if it came between.
    async fn gather(
        &mut self,
        first: Records,
        inbox: &mut mpsc::Receiver<Delivery>,
    ) -> (Arrivals, OwnedSemaphorePermit, Option<Delivery>) {
        self.kafka_brings = true;
        let batch = config::count(self.context.config.projection.batch_events_max);
        let mut arrivals = Arrivals::new();
        let mut count = 0;
        let Records { arrivals: mut records, mut room } = first;
        let other = loop {
            count += records.len();
            for arrival in records {
                self.group(&mut arrivals, arrival);
            }
            if count >= batch {
                break None;
            }
            let until =
                if count < LINGER_RECORDS_MAX { self.lingers_until } else { Instant::now() };
            match timeout_at(until, inbox.recv()).await {
                Ok(Some(Delivery::Records(more))) => {
                    room.merge(more.room);
                    records = more.arrivals;
                }
                Ok(other) => break other,
                Err(_) => break None,
            }
        };
        if count < LINGER_RECORDS_MAX {
            let linger = self.context.projection.projection().definition().linger;
            self.lingers_until = Instant::now() + self.crowding.longer(linger);
        }
        (arrivals, room, other)
    }

    fn group(&mut self, arrivals: &mut Arrivals, arrival: Arc<Arrival>) {
        let lane = arrival.lane;
        if self.stopped.contains_key(&lane) {
            return;
        }
        if self.checkpoints.contains_key(&lane) {
            arrivals.entry(lane).or_default().push(arrival);
        } else {
            self.report_unknown_lane(lane);
        }
    }

    fn report_unknown_lane(&mut self, lane: Lane) {
        if self.unknown_lanes.insert(lane) {
            tracing::error!(%lane, "the read database was made for fewer lanes; this lane is ignored");
        }
    }

    /// Replaces what is remembered with the stored checkpoints, and retries until they can be read.
    async fn reload(&mut self) -> Result<(), Stopping> {
        let mut backoff = Backoff::up_to(self.context.config.projection.retry_pause_max_ms.0);
        let outage = Outage::none();
        loop {
            match apply::load_checkpoints(&self.context.pool, self.context.projection).await {
                Ok(checkpoints) => {
                    self.compare_memory(&checkpoints);
                    let stored = checkpoints.iter().map(|(lane, at)| (*lane, at.position));
                    self.context.progress.replace(stored.collect());
                    self.checkpoints = checkpoints;
                    self.context.progress.set_trouble(None);
                    if outage.is_over() {
                        tracing::info!("checkpoints are read again");
                    }
                    return Ok(());
                }
                Err(error) => {
                    if let Some(failures) = outage.failed() {
                        tracing::warn!(%error, failures, "checkpoints cannot be read, trying again");
                    }
                    self.context.progress.set_trouble(Some(error.to_string()));
                    backoff.pause(&self.context.stop).await?;
                }
            }
        }
    }

    /// Lets point reads answer from memory while the stored checkpoints are those remembered here. Else
    /// another instance applied something, or the database lost its last commits.
    fn compare_memory(&self, stored: &BTreeMap<Lane, Checkpoint>) {
        let memory = self.context.progress.memory();
        if *stored != self.checkpoints || self.in_doubt {
            memory.forget_all();
            memory.applied(stored.iter().map(|(lane, at)| (*lane, at.position)));
        }
        if !self.in_doubt {
            memory.confirm();
        }
    }
}
