//! One stretch of relaying with one connection and one producer, until one of them fails.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use shared_events::lane::{Lane, Position};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use super::RelayConfig;
use super::database::Database;
use super::handoff::Inboxes;
use super::lane::{Halt, LaneRelay, Progress};
use super::meter;
use super::ownership::{Ownership, OwnershipError};
use super::pace::Pace;
use super::polling::poll_heads;
use super::publisher::Publisher;
use super::roster::{LaneState, Roster};
use super::take_over::{Start, TakeOverError, take_over};
use super::watch::{WatchError, watch};
use super::window::Window;

/// How often locks of other lanes are tried, and the lock connection is spoken to.
const LOCK_INTERVAL: Duration = Duration::from_secs(1);

/// How often the topic is looked at while nothing is wrong.
const WATCH_INTERVAL: Duration = Duration::from_secs(5);

/// How long a lane rests that stopped at an event.
const HALTED_WAIT: Duration = Duration::from_secs(30);

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum End {
    #[error("asked to stop")]
    Shutdown,
    #[error("the connection that holds the lanes is lost: {0}")]
    Ownership(#[from] OwnershipError),
    #[error("lane {lane}: {halt}")]
    Halted { lane: Lane, halt: Halt },
    #[error(transparent)]
    Topic(#[from] WatchError),
    #[error("a task of the relay failed: {0}")]
    Task(#[from] JoinError),
}

pub(super) struct Session<'a> {
    config: &'a RelayConfig,
    database: Database,
    inboxes: Arc<Inboxes>,
    ownership: Ownership,
    publisher: Arc<Publisher>,
    pace: Arc<Pace>,
    lanes: Roster,
    /// The marks as they stand in the database.
    saved: BTreeMap<Lane, Position>,
    running: JoinSet<(Lane, Result<(), Halt>)>,
    taking_over: JoinSet<Vec<(Lane, Result<Start, TakeOverError>)>>,
    watching: JoinSet<Result<(), WatchError>>,
    stop: CancellationToken,
}

impl<'a> Session<'a> {
    pub(super) fn new(
        config: &'a RelayConfig,
        database: Database,
        inboxes: Arc<Inboxes>,
        ownership: Ownership,
        publisher: Publisher,
    ) -> Self {
        Self {
            config,
            database,
            inboxes,
            ownership,
            publisher: Arc::new(publisher),
            pace: Arc::new(Pace::new()),
            lanes: Roster::new(&config.lanes),
            saved: BTreeMap::new(),
            running: JoinSet::new(),
            taking_over: JoinSet::new(),
            watching: JoinSet::new(),
            stop: CancellationToken::new(),
        }
    }

    /// Relays until something fails or `shutdown` is cancelled; then puts everything down.
    pub(super) async fn run(mut self, shutdown: &CancellationToken) -> End {
        let poller = tokio::spawn(poll_heads(
            self.database.clone(),
            Arc::clone(&self.inboxes),
            self.config.bounds.clone(),
            self.stop.clone(),
        ));
        let Err(end) = self.relay(shutdown).await;
        self.put_down(&end).await;
        poller.abort();
        end
    }

    async fn relay(&mut self, shutdown: &CancellationToken) -> Result<Infallible, End> {
        let mut locks = every(LOCK_INTERVAL);
        let mut marks = every(self.config.bounds.mark_interval);
        let mut watch = every(WATCH_INTERVAL);
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return Err(End::Shutdown),
                Some(ended) = self.running.join_next() => {
                    let (lane, ended) = ended?;
                    self.lane_ended(lane, ended)?;
                }
                Some(found) = self.taking_over.join_next() => self.taken_over(found?),
                Some(seen) = self.watching.join_next() => seen??,
                _ = locks.tick() => self.acquire().await?,
                _ = marks.tick() => self.save_marks().await?,
                _ = watch.tick() => self.watch_topic(),
            }
        }
    }

    /// Takes locks that are free, and takes over what is locked and due.
    async fn acquire(&mut self) -> Result<(), End> {
        let mut due = self.ownership.lock(&self.lanes.elsewhere()).await?;
        due.extend(self.lanes.rested(Instant::now()));
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
        tracing::info!(lanes = found.len(), "relay takes lanes over");
        for (lane, found) in found {
            match found {
                Ok(start) => self.start(lane, start),
                Err(error) => self.stand_still(lane, &error),
            }
        }
    }

    fn stand_still(&mut self, lane: Lane, error: &TakeOverError) {
        let wait = error.retry_after();
        if error.is_lasting() {
            tracing::error!(%lane, %error, "relay cannot take the lane over; it stands still, next look in {wait:?}");
        } else {
            tracing::warn!(%lane, %error, "relay cannot take the lane over yet");
        }
        self.lanes.set(lane, LaneState::Stopped(Instant::now() + wait));
    }

    fn start(&mut self, lane: Lane, start: Start) {
        let Some(inbox) = self.inboxes.get(lane) else {
            return;
        };
        tracing::debug!(%lane, next = %start.next, head = %start.head, mark = %start.mark, "lane taken over");
        inbox.open(start.head);
        self.saved.insert(lane, start.mark);
        let bounds = &self.config.bounds;
        let lanes = self.config.lanes.len();
        let progress = Arc::new(Progress::new(Position(start.next.0 - 1), start.high));
        let relay = LaneRelay {
            lane,
            next: start.next,
            inbox: Arc::clone(inbox),
            database: self.database.clone(),
            page_len_max: bounds.page_len_max,
            publisher: Arc::clone(&self.publisher),
            pace: Arc::clone(&self.pace),
            window: Window::new(
                (bounds.in_flight_len_max / lanes).max(1),
                (bounds.in_flight_bytes_max / lanes).max(1),
                start.high,
            ),
            pending: [].into(),
            progress: Arc::clone(&progress),
            published: meter::published(),
        };
        let stop = self.stop.clone();
        self.running.spawn(async move { (lane, relay.run(stop).await) });
        self.lanes.set(lane, LaneState::Running(progress));
    }

    /// A lane that stopped at an event of its own rests; anything else concerns all of them.
    fn lane_ended(&mut self, lane: Lane, ended: Result<(), Halt>) -> Result<(), End> {
        let halt = match ended {
            Ok(()) => return Ok(()),
            Err(halt @ (Halt::Delivery(_) | Halt::Producer(_))) => {
                return Err(End::Halted { lane, halt });
            }
            Err(halt) => halt,
        };
        tracing::error!(%lane, %halt, "relay cannot go on with the lane; it stands still, next look in {HALTED_WAIT:?}");
        if let Some(inbox) = self.inboxes.get(lane) {
            inbox.close();
        }
        self.lanes.set(lane, LaneState::Stopped(Instant::now() + HALTED_WAIT));
        Ok(())
    }

    /// Saves the marks that moved, and shows how far the lanes are.
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
                meter::lag(lane, inbox.head(), acked);
            }
        }
        meter::in_flight(in_flight);
        if !moved.is_empty() {
            self.ownership.save_marks(&moved).await?;
            self.saved.extend(moved);
        }
        Ok(())
    }

    /// Looks at the topic, unless the last look still takes its time.
    fn watch_topic(&mut self) {
        if !self.watching.is_empty() {
            return;
        }
        let publisher = Arc::clone(&self.publisher);
        let lanes = self.config.lanes.len();
        let running = self.lanes.running();
        let reached: Vec<(Lane, i64)> =
            running.map(|(lane, progress)| (lane, progress.offset_after())).collect();
        self.watching.spawn_blocking(move || watch(&publisher, lanes, &reached));
    }

    /// Stops the lanes, waits for what is in flight if that can help, saves the marks, lets go.
    async fn put_down(mut self, end: &End) {
        let flush = match end {
            End::Shutdown => self.config.bounds.flush_max,
            // Kafka is well, and what arrives now need not be sent twice.
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
                "Kafka did not acknowledge everything in time; the next start goes on there"
            );
        }
        self.running.shutdown().await;
        self.taking_over.abort_all();
        if !matches!(end, End::Ownership(_)) {
            if let Err(error) = self.save_marks().await {
                tracing::warn!(%error, "relay cannot save its marks; the next start finds out from Kafka");
            }
            self.ownership.close().await;
        }
        self.lanes.clear();
        meter::in_flight(0);
        // Dropping the producer waits for its threads.
        drop(tokio::task::spawn_blocking(move || drop(self.publisher)).await);
    }
}

fn every(period: Duration) -> Interval {
    let mut interval = interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}
