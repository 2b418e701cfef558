//! Publishes one lane: takes its events in order, keeps a bounded number in flight, and notes the last
//! acknowledged position.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use metrics::Counter;
use rdkafka::error::KafkaError;
use service_edge::outage::Outage;
use service_edge::retry::Backoff;
use shared_events::chain::Chain;
use shared_events::lane::{Lane, Position};
use shared_events::recorded::RecordedEvent;
use tokio_util::sync::CancellationToken;

use super::database::{Database, DatabaseError};
use super::pacer::Pacer;
use super::publisher::{Publisher, SendError};
use super::window::{Acknowledged, DeliveryError, Window};
use crate::relay_inbox::{Inbox, Source};

/// The pause when the producer is full of records of other lanes.
const QUEUE_FULL_WAIT: Duration = Duration::from_millis(10);

/// Events in one page from the log.
const PAGE_LEN_MAX: usize = 1_000;

/// A lane with so many records in flight is busy: librdkafka, whose limit of five requests counts records, sends no
/// more of its partition, and its thread spins as long as others are queued. So they wait here.
const BUSY_FROM: usize = 5;

/// Why a lane cannot continue.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Halt {
    #[error(transparent)]
    Delivery(#[from] DeliveryError),
    #[error("the producer failed: {0}")]
    Producer(KafkaError),
    #[error(transparent)]
    Log(DatabaseError),
    #[error("the log has position {found} in place of {expected}")]
    LogGap { expected: Position, found: Position },
    #[error("fork: the event at position {0} does not follow from what was published before it")]
    Fork(Position),
    #[error("the log no longer has position {0}")]
    LogEnds(Position),
    #[error("the event at position {0} is larger than Kafka accepts")]
    TooLarge(Position),
}

/// The progress of a lane, shared with the session.
#[derive(Debug)]
pub(crate) struct Progress {
    acked: AtomicI64,
    offset_after: AtomicI64,
    in_flight: AtomicUsize,
}

impl Progress {
    pub(crate) fn new(acked: Position, high: i64) -> Self {
        Self {
            acked: AtomicI64::new(acked.0),
            offset_after: AtomicI64::new(high),
            in_flight: AtomicUsize::new(0),
        }
    }

    /// Kafka has everything up to this position.
    pub(crate) fn acked(&self) -> Position {
        Position(self.acked.load(Ordering::Relaxed))
    }

    /// The partition reaches at least to this offset.
    pub(crate) fn offset_after(&self) -> i64 {
        self.offset_after.load(Ordering::Relaxed)
    }

    /// Records sent and not yet acknowledged.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Forgets the acknowledged position, after the partition lost records.
    fn forget(&self) {
        self.acked.store(0, Ordering::Relaxed);
    }
}

/// The relay of one lane.
pub(crate) struct LaneRelay {
    pub(crate) lane: Lane,
    pub(crate) next: Position,
    /// The chain before `next`, as it was published.
    pub(crate) chain: Chain,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) database: Database,
    pub(crate) publisher: Arc<Publisher>,
    pub(crate) pacer: Arc<Pacer>,
    pub(crate) window: Window,
    /// Taken from the inbox or the log, and not yet sent.
    pub(crate) pending: VecDeque<Arc<RecordedEvent>>,
    pub(crate) progress: Arc<Progress>,
    pub(crate) published: Counter,
}

impl LaneRelay {
    /// Publishes until `stop` is cancelled, then waits for the records in flight.
    pub(crate) async fn run(mut self, stop: CancellationToken) -> Result<(), Halt> {
        let ended = self.publish(&stop).await;
        if matches!(ended, Err(Halt::Delivery(DeliveryError::RecordsLost { .. }))) {
            self.progress.forget();
        }
        ended
    }

    async fn publish(&mut self, stop: &CancellationToken) -> Result<(), Halt> {
        while !stop.is_cancelled() {
            // 1. Note the records acknowledged meanwhile.
            while let Some(acknowledged) = self.window.oldest_now() {
                self.note(acknowledged?);
            }
            // 2. Send as many events as fit.
            let filled = match stop.run_until_cancelled(self.fill()).await {
                Some(filled) => filled?,
                None => break,
            };
            self.progress.in_flight.store(self.window.len(), Ordering::Relaxed);
            // 3. Wait for an acknowledgement, for events, or for room.
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                acknowledged = self.window.oldest() => {
                    let acknowledged = acknowledged?;
                    self.note(acknowledged);
                }
                () = self.inbox.woken(), if filled == Filled::Exhausted => {}
                () = tokio::time::sleep(QUEUE_FULL_WAIT), if filled == Filled::QueueFull => {}
            }
        }
        while !self.window.is_empty() {
            let acknowledged = self.window.oldest().await?;
            self.note(acknowledged);
        }
        Ok(())
    }

    /// Sends until the window is full or nothing is left. Safe to drop: all events are in the log.
    async fn fill(&mut self) -> Result<Filled, Halt> {
        loop {
            let room = self.window.room();
            if room == 0 {
                return Ok(Filled::WindowFull);
            }
            if let Some(event) = self.pending.front() {
                match self.publisher.send(event) {
                    Ok(delivery) => {
                        self.window.push(event, delivery);
                        self.next = event.position.next();
                        self.chain = event.chain;
                        self.pending.pop_front();
                    }
                    Err(SendError::QueueFull) => return Ok(Filled::QueueFull),
                    Err(SendError::TooLarge) => return Err(Halt::TooLarge(event.position)),
                    Err(SendError::Kafka(error)) => return Err(Halt::Producer(error)),
                }
                continue;
            }
            if self.inbox.head() < self.next {
                return Ok(Filled::Exhausted);
            }
            if self.window.len() >= BUSY_FROM {
                return Ok(Filled::WindowFull);
            }
            // Events that come until then are sent together.
            self.pacer.turn().await;
            self.pending = match self.inbox.take(self.next, room) {
                Source::Handed(events) => events,
                Source::Log { len } => self.page(len.min(room).min(PAGE_LEN_MAX)).await?,
                Source::Nothing => return Ok(Filled::Exhausted),
            };
            self.check_order()?;
        }
    }

    /// Reads the next events from the log; retries for as long as the database is unavailable.
    async fn page(&self, len: usize) -> Result<VecDeque<Arc<RecordedEvent>>, Halt> {
        // One of all lanes, which read the same database.
        static PAGES: Outage = Outage::none();
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(2));
        loop {
            match self.database.page(self.lane, self.next, len).await {
                Ok(events) if events.is_empty() => return Err(Halt::LogEnds(self.next)),
                Ok(events) => {
                    if PAGES.is_over() {
                        tracing::info!("the relay reads the log again");
                    }
                    return Ok(events.into_iter().map(Arc::new).collect());
                }
                Err(error) if !error.is_transient() => return Err(Halt::Log(error)),
                Err(error) => {
                    if let Some(failures) = PAGES.failed() {
                        tracing::warn!(lane = %self.lane, %error, failures, "the relay cannot read the log, trying again");
                    }
                    backoff.wait().await;
                }
            }
        }
    }

    /// Stops before a record would be sent out of order, or one of another history, which cannot be undone. A
    /// failover may be so quick that the log is another one before the session notices that it lost its locks.
    fn check_order(&self) -> Result<(), Halt> {
        let (mut expected, mut chain) = (self.next, self.chain);
        for event in &self.pending {
            if event.position != expected {
                return Err(Halt::LogGap { expected, found: event.position });
            }
            if event.chain_after(chain) != event.chain {
                return Err(Halt::Fork(event.position));
            }
            (expected, chain) = (expected.next(), event.chain);
        }
        Ok(())
    }

    fn note(&mut self, acknowledged: Acknowledged) {
        let progress = &self.progress;
        progress.acked.store(acknowledged.position.0, Ordering::Relaxed);
        progress.offset_after.store(acknowledged.offset_after, Ordering::Relaxed);
        progress.in_flight.store(self.window.len(), Ordering::Relaxed);
        self.published.increment(1);
    }
}

/// Why sending paused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Filled {
    Exhausted,
    WindowFull,
    QueueFull,
}
