//! Relays with one connection and one producer, until either fails.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use shared_events::lane::{Lane, Position};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use super::database::Database;
use super::lane::{Halt, LaneRelay, Progress};
use super::lane_registry::{LaneRegistry, LaneState};
use super::metrics;
use super::ownership::{Ownership, OwnershipError};
use super::pacer::Pacer;
use super::polling::poll_heads;
use super::publisher::Publisher;
use super::status::RelayStatus;
use super::take_over::{Start, TakeOverError, take_over};
use super::topic_monitor::{self, MonitorError};
use super::window::Window;
use super::{FLUSH_MAX, IN_FLIGHT_BYTES_MAX, IN_FLIGHT_LEN_MAX, RelayConfig};
use crate::relay_inbox::Inboxes;

/// How often the locks of other lanes are tried, which also keeps the connection alive.
const LOCK_INTERVAL: Duration = Duration::from_secs(1);

/// How often marks that moved are saved.
const MARK_INTERVAL: Duration = Duration::from_millis(200);

/// How often the topic is checked.
const MONITOR_INTERVAL: Duration = Duration::from_secs(5);

/// When a lane that stopped at an event is tried again.
const HALTED_RETRY: Duration = Duration::from_secs(30);

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum End {
    #[error("asked to stop")]
    Shutdown,
    #[error("the connection with the lane locks is lost: {0}")]
    Ownership(#[from] OwnershipError),
    #[error("lane {lane}: {halt}")]
    Halted { lane: Lane, halt: Halt },
    #[error(transparent)]
    Topic(#[from] MonitorError),
    #[error("a task of the relay failed: {0}")]
    Task(#[from] JoinError),
}

pub(crate) struct Session<'a> {
    config: &'a RelayConfig,
    database: Database,
    inboxes: Arc<Inboxes>,
    ownership: Ownership,
    publisher: Arc<Publisher>,
    pacer: Arc<Pacer>,
    lanes: LaneRegistry,
    /// The marks in the database.
    saved: BTreeMap<Lane, Position>,
    running: JoinSet<(Lane, Result<(), Halt>)>,
    taking_over: JoinSet<Vec<(Lane, Result<Start, TakeOverError>)>>,
    monitoring: JoinSet<Result<(), MonitorError>>,
    stop: CancellationToken,
}

impl<'a> Session<'a> {
    pub(crate) fn new(
        config: &'a RelayConfig,
        database: Database,
        inboxes: Arc<Inboxes>,
        ownership: Ownership,
        publisher: Publisher,
        status: RelayStatus,
    ) -> Self {
        Self {
            config,
            database,
            inboxes,
            ownership,
            publisher: Arc::new(publisher),
            pacer: Arc::new(Pacer::new()),
            lanes: LaneRegistry::new(&config.lanes, status),
            saved: BTreeMap::new(),
            running: JoinSet::new(),
            taking_over: JoinSet::new(),
            monitoring: JoinSet::new(),
            stop: CancellationToken::new(),
        }
    }

    /// Relays until something fails or `shutdown` is cancelled, then stops in order.
    pub(crate) async fn run(mut self, shutdown: &CancellationToken) -> End {
        let poller = tokio::spawn(poll_heads(
            self.database.clone(),
            Arc::clone(&self.inboxes),
            self.stop.clone(),
        ));
        let Err(end) = self.relay(shutdown).await;
        self.close(&end).await;
        poller.abort();
        end
    }

    async fn relay(&mut self, shutdown: &CancellationToken) -> Result<Infallible, End> {
        let mut locks = every(LOCK_INTERVAL);
        let mut marks = every(MARK_INTERVAL);
        let mut monitor = every(MONITOR_INTERVAL);
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return Err(End::Shutdown),
                Some(ended) = self.running.join_next() => {
                    let (lane, ended) = ended?;
                    self.lane_ended(lane, ended)?;
                }
                Some(found) = self.taking_over.join_next() => self.taken_over(found?),
                Some(checked) = self.monitoring.join_next() => checked??,
                _ = locks.tick() => self.acquire().await?,
                _ = marks.tick() => self.save_marks().await?,
                _ = monitor.tick() => self.check_topic(),
            }
        }
    }

    /// Takes free locks, and takes over the lanes that are locked or to be tried again.
    async fn acquire(&mut self) -> Result<(), End> {
        let mut due = self.ownership.lock(&self.lanes.elsewhere()).await?;
        due.extend(self.lanes.retryable(Instant::now()));
        if due.is_empty() {
            return Ok(());
        }
        for lane in &due {
            self.lanes.set(*lane, LaneState::TakingOver);
        }
        self.taking_over.spawn(take_over(
            self.config.brokers.clone(),
            self.config.topic.clone(),
            self.database.clone(),
            due,
            self.stop.clone(),
        ));
        Ok(())
    }

    fn taken_over(&mut self, found: Vec<(Lane, Result<Start, TakeOverError>)>) {
        tracing::info!(lanes = found.len(), "the relay has looked at lanes that it may take over");
        for (lane, found) in found {
            match found {
                Ok(start) => self.start(lane, start),
                Err(error) => self.stop_lane(lane, &error),
            }
        }
    }

    fn stop_lane(&mut self, lane: Lane, error: &TakeOverError) {
        let wait = error.retry_after();
        let until = Instant::now() + wait;
        if error.needs_a_person() {
            tracing::error!(%lane, %error, "the relay cannot take over the lane, trying again in {wait:?}");
        } else {
            tracing::warn!(%lane, %error, "the relay cannot take over the lane yet");
        }
        self.lanes.set(lane, LaneState::Stopped { until, error: error.to_string() });
    }

    fn start(&mut self, lane: Lane, start: Start) {
        let Some(inbox) = self.inboxes.get(lane) else {
            return;
        };
        tracing::debug!(%lane, next = %start.next, head = %start.head, mark = %start.mark, "lane taken over");
        inbox.open(start.head);
        self.saved.insert(lane, start.mark);
        let progress = Arc::new(Progress::new(Position(start.next.0 - 1), start.high));
        let relay = LaneRelay {
            lane,
            next: start.next,
            chain: start.chain,
            inbox: Arc::clone(inbox),
            database: self.database.clone(),
            publisher: Arc::clone(&self.publisher),
            pacer: Arc::clone(&self.pacer),
            window: Window::new(
                self.config.share(IN_FLIGHT_LEN_MAX),
                self.config.share(IN_FLIGHT_BYTES_MAX),
                start.high,
            ),
            pending: [].into(),
            progress: Arc::clone(&progress),
            published: metrics::published(),
        };
        let stop = self.stop.clone();
        self.running.spawn(async move { (lane, relay.run(stop).await) });
        self.lanes.set(lane, LaneState::Running(progress));
    }

    /// Stops a lane that cannot publish one of its events. A failure of Kafka ends the session.
    fn lane_ended(&mut self, lane: Lane, ended: Result<(), Halt>) -> Result<(), End> {
        let halt = match ended {
            Ok(()) => return Ok(()),
            Err(halt @ (Halt::Delivery(_) | Halt::Producer(_))) => {
                return Err(End::Halted { lane, halt });
            }
            Err(halt) => halt,
        };
        tracing::error!(%lane, %halt, "the relay has stopped the lane, trying again in {HALTED_RETRY:?}");
        if let Some(inbox) = self.inboxes.get(lane) {
            inbox.close();
        }
        let until = Instant::now() + HALTED_RETRY;
        self.lanes.set(lane, LaneState::Stopped { until, error: halt.to_string() });
        Ok(())
    }

    /// Saves the marks that moved, and updates the metrics.
    async fn save_marks(&mut self) -> Result<(), OwnershipError> {
        let mut moved = Vec::new();
        let mut in_flight = 0;
        for (lane, progress) in self.lanes.running() {
            let acked = progress.acked();
            if self.saved.get(&lane) != Some(&acked) {
                moved.push((lane, acked));
            }
            in_flight += progress.in_flight();
            if let Some(inbox) = self.inboxes.get(lane) {
                metrics::lag(lane, inbox.head(), acked);
            }
        }
        metrics::in_flight(in_flight);
        if !moved.is_empty() {
            self.ownership.save_marks(&moved).await?;
            self.saved.extend(moved);
        }
        Ok(())
    }

    /// Checks the topic, unless the last check still runs.
    fn check_topic(&mut self) {
        if !self.monitoring.is_empty() {
            return;
        }
        let publisher = Arc::clone(&self.publisher);
        let lanes = self.config.lanes.len();
        let running = self.lanes.running();
        let reached: Vec<(Lane, i64)> =
            running.map(|(lane, progress)| (lane, progress.offset_after())).collect();
        self.monitoring.spawn_blocking(move || topic_monitor::check(&publisher, lanes, &reached));
    }

    /// Stops the lanes, waits for acknowledgements if they can still come, saves the marks, and releases
    /// the locks.
    async fn close(mut self, end: &End) {
        let flush = match end {
            End::Shutdown => FLUSH_MAX,
            // Kafka works, and what it acknowledges now need not be sent again.
            End::Ownership(_) => Duration::from_secs(2),
            End::Halted { .. } | End::Topic(_) | End::Task(_) => Duration::ZERO,
        };
        self.stop.cancel();
        for lane in &self.config.lanes {
            if let Some(inbox) = self.inboxes.get(*lane) {
                inbox.close();
            }
        }
        let flushed = timeout(flush, async { while self.running.join_next().await.is_some() {} });
        if flushed.await.is_err() && matches!(end, End::Shutdown) {
            tracing::warn!(
                "Kafka did not acknowledge everything in time; the next start continues there"
            );
        }
        self.running.shutdown().await;
        self.taking_over.abort_all();
        if !matches!(end, End::Ownership(_)) {
            if let Err(error) = self.save_marks().await {
                tracing::warn!(%error, "the relay cannot save its marks; the next start reads them from Kafka");
            }
            self.ownership.close().await;
        }
        self.lanes.clear();
        metrics::in_flight(0);
        // Dropping the producer waits for its threads.
        drop(tokio::task::spawn_blocking(move || drop(self.publisher)).await);
    }
}

fn every(period: Duration) -> Interval {
    let mut interval = interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}
