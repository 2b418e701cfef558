//! Publishes one lane: takes its events in order, keeps a bounded number in flight, notes how far
//! they were acknowledged.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use metrics::Counter;
use rdkafka::error::KafkaError;
use shared_events::lane::{Lane, Position};
use shared_events::recorded::RecordedEvent;
use tokio_util::sync::CancellationToken;

use super::database::{Database, DatabaseError};
use super::inbox::{Inbox, Source, event_bytes};
use super::pace::Pace;
use super::publisher::{Publisher, SendError};
use super::window::{Acknowledged, DeliveryError, Window};
use crate::backoff::Backoff;

/// How long to wait when the producer is full of other lanes' records.
const QUEUE_FULL_WAIT: Duration = Duration::from_millis(10);

/// Why a lane cannot go on.
#[derive(Debug, thiserror::Error)]
pub(super) enum Halt {
    #[error(transparent)]
    Delivery(#[from] DeliveryError),
    #[error("the producer failed: {0}")]
    Producer(KafkaError),
    #[error(transparent)]
    Log(DatabaseError),
    #[error("the log has position {found} where {expected} should be")]
    LogGap { expected: Position, found: Position },
    #[error("the log has no position {0} any more")]
    LogEnds(Position),
    #[error("the event at position {0} is larger than Kafka takes")]
    TooLarge(Position),
}

/// How far a lane is, for whoever looks.
#[derive(Debug)]
pub(super) struct Progress {
    acked: AtomicI64,
    offset_after: AtomicI64,
    in_flight: AtomicUsize,
}

impl Progress {
    pub(super) fn new(acked: Position, high: i64) -> Self {
        Self {
            acked: AtomicI64::new(acked.0),
            offset_after: AtomicI64::new(high),
            in_flight: AtomicUsize::new(0),
        }
    }

    /// Everything up to here is on Kafka.
    pub(super) fn acked(&self) -> Position {
        Position(self.acked.load(Ordering::Relaxed))
    }

    /// The partition reaches at least to this offset.
    pub(super) fn offset_after(&self) -> i64 {
        self.offset_after.load(Ordering::Relaxed)
    }

    /// Records sent and not yet acknowledged.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// The partition lost records: nothing is known to be there any more.
    fn forget(&self) {
        self.acked.store(0, Ordering::Relaxed);
    }
}

/// One lane on its way to Kafka.
pub(super) struct LaneRelay {
    pub(super) lane: Lane,
    /// The position to be sent next.
    pub(super) next: Position,
    pub(super) inbox: Arc<Inbox>,
    pub(super) database: Database,
    pub(super) page_len_max: usize,
    pub(super) publisher: Arc<Publisher>,
    pub(super) pace: Arc<Pace>,
    pub(super) window: Window,
    /// Taken from the inbox or the log, not sent yet.
    pub(super) pending: VecDeque<Arc<RecordedEvent>>,
    pub(super) progress: Arc<Progress>,
    pub(super) published: Counter,
}

impl LaneRelay {
    /// Publishes until told to stop, then waits for what is in flight.
    ///
    /// # Errors
    /// The lane cannot go on; what was acknowledged before stands in its progress.
    pub(super) async fn run(mut self, stop: CancellationToken) -> Result<(), Halt> {
        let ended = self.publish(&stop).await;
        if matches!(ended, Err(Halt::Delivery(DeliveryError::RecordsLost { .. }))) {
            self.progress.forget();
        }
        ended
    }

    async fn publish(&mut self, stop: &CancellationToken) -> Result<(), Halt> {
        while !stop.is_cancelled() {
            // 1. Note what was acknowledged meanwhile.
            while let Some(acknowledged) = self.window.oldest_now() {
                self.note(acknowledged?);
            }
            // 2. Send what there is, as far as it fits.
            let filled = match stop.run_until_cancelled(self.fill()).await {
                Some(filled) => filled?,
                None => break,
            };
            self.progress.in_flight.store(self.window.len(), Ordering::Relaxed);
            // 3. Wait for what can change that.
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

    /// Sends until the window is full or nothing is left. Dropped at an await, it has lost nothing
    /// that was not in the log.
    async fn fill(&mut self) -> Result<Filled, Halt> {
        loop {
            let room = self.window.room();
            if room == 0 {
                return Ok(Filled::WindowFull);
            }
            if let Some(event) = self.pending.front() {
                match self.publisher.send(event) {
                    Ok(delivery) => {
                        self.window.push(event.position, event_bytes(event), delivery);
                        self.next = event.position.next();
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
            // What comes until then is sent with it.
            self.pace.turn().await;
            self.pending = match self.inbox.take(self.next, room) {
                Source::Handed(events) => events,
                Source::Log { len } => self.page(len.min(room).min(self.page_len_max)).await?,
                Source::Nothing => return Ok(Filled::Exhausted),
            };
            self.check_order()?;
        }
    }

    /// The next events from the log, however long the database takes to answer.
    async fn page(&self, len: usize) -> Result<VecDeque<Arc<RecordedEvent>>, Halt> {
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(2));
        loop {
            match self.database.page(self.lane, self.next, len).await {
                Ok(events) if events.is_empty() => return Err(Halt::LogEnds(self.next)),
                Ok(events) => return Ok(events.into_iter().map(Arc::new).collect()),
                Err(error) if !error.is_passing() => return Err(Halt::Log(error)),
                Err(error) => {
                    tracing::warn!(lane = %self.lane, %error, "relay cannot read the log, trying again");
                    backoff.wait().await;
                }
            }
        }
    }

    /// A record out of order could never be taken back.
    fn check_order(&self) -> Result<(), Halt> {
        let mut expected = self.next;
        for event in &self.pending {
            if event.position != expected {
                return Err(Halt::LogGap { expected, found: event.position });
            }
            expected = expected.next();
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

/// Why no more was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Filled {
    Exhausted,
    WindowFull,
    QueueFull,
}
