//! The writer: one queue, one connection, one batch after another.
//!
//! While one batch is in flight, new requests are decided and become the next one. There is no timer: a
//! lone request is a batch of one, and a busy service commits hundreds at once. [`pipeline`] is the way of
//! every batch.

pub(crate) mod queue;
mod session;
pub(crate) mod cache;
pub(crate) mod policy;
pub(crate) mod catch_up;
pub(crate) mod plan;
pub(crate) mod sequencer;
mod deciding;
pub(crate) mod commit;
pub(crate) mod prepare;
pub(crate) mod batch;
pub(crate) mod pipeline;

use std::sync::Arc;
use std::time::Duration;

use shared_events::lane::LaneMap;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::Instant;

pub(crate) use self::policy::BEHIND_MAX;
pub(crate) use self::session::TRANSACTION_MAX;

use self::cache::Memory;
use self::queue::{Batches, Bounds, Queued};
use self::session::Session;
use super::submission::{NotExecuted, Outcome, Submission};
use crate::config::DatabaseUrl;
use crate::metrics;
use crate::personal::PersonalVault;
use crate::relay_inbox::RelaySender;

const FULL: NotExecuted = NotExecuted::QueueFull { retry_after: Duration::from_secs(1) };

/// The writer's bounds.
#[derive(Debug, Clone)]
pub struct WriterConfig {
    /// The write database.
    pub database: DatabaseUrl,
    /// Requests that may wait, including decided ones whose batch is not sent yet. Further requests are
    /// refused at once.
    pub queue_commands_max: usize,
    /// Bytes that all waiting requests may take, as estimated by [`Submission::size`].
    pub queue_bytes_max: usize,
    /// Requests per transaction.
    pub batch_commands_max: usize,
    /// Estimated bytes per transaction, and so per request.
    pub batch_bytes_max: usize,
    /// Bytes of cached states.
    pub cache_bytes_max: usize,
    /// The limit for a connection attempt, and for a whole batch before its commit.
    pub batch_timeout: Duration,
    /// The limit for a commit, after which its outcome counts as unknown.
    pub commit_timeout: Duration,
}

/// A handle to the writer. Cheap to clone; the writer stops when the last one is dropped.
#[derive(Debug, Clone)]
pub struct Writer {
    queue: mpsc::Sender<Queued>,
    slots: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
    bytes_max: usize,
    command_bytes_max: usize,
    vault: Option<PersonalVault>,
}

impl Writer {
    /// Why the next request would be refused: the queue is full.
    pub fn overload(&self) -> Option<NotExecuted> {
        (self.slots.available_permits() == 0).then_some(FULL)
    }

    /// Queues a request and waits for its outcome. Dropping the future does not cancel the request: once
    /// queued it is decided, unless its deadline passes first.
    pub async fn submit(&self, mut submission: Submission) -> Outcome {
        match &self.vault {
            Some(vault) => submission.protect(vault),
            None if submission.has_personal() => {
                return Outcome::NotExecuted(NotExecuted::PersonalNotKept);
            }
            None => {}
        }
        let size = submission.size();
        if size > self.command_bytes_max {
            let limit = self.command_bytes_max;
            return Outcome::NotExecuted(NotExecuted::TooLarge { limit });
        }
        let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() else {
            return Outcome::NotExecuted(FULL);
        };
        let size = u32::try_from(size.min(self.bytes_max)).unwrap_or(u32::MAX);
        let Ok(bytes) = Arc::clone(&self.bytes).try_acquire_many_owned(size) else {
            return Outcome::NotExecuted(FULL);
        };
        let (answer, answered) = oneshot::channel();
        let since = Instant::now();
        let slot = Some(slot);
        let queued = Queued { submission, answer, slot, bytes, since, wait_until: None };
        match self.queue.try_send(queued) {
            Ok(()) => answered.await.unwrap_or(Outcome::Unknown),
            Err(TrySendError::Full(_)) => Outcome::NotExecuted(FULL),
            Err(TrySendError::Closed(_)) => Outcome::NotExecuted(NotExecuted::Stopping),
        }
    }
}

/// The task that owns the receiving end of the queue, the connection and the cache.
#[derive(Debug)]
pub struct WriterTask {
    config: WriterConfig,
    batches: Batches,
    slots: Arc<Semaphore>,
    lanes: LaneMap,
    relay: RelaySender,
    vault: Option<PersonalVault>,
}

/// What the task works with.
struct State {
    session: Session,
    memory: Memory,
}

/// Makes a writer, which works while [`WriterTask::run`] runs.
pub fn start(
    config: WriterConfig,
    lanes: LaneMap,
    relay: RelaySender,
    vault: Option<PersonalVault>,
) -> (Writer, WriterTask) {
    let (sender, receiver) = mpsc::channel(config.queue_commands_max);
    let bytes_max = config.queue_bytes_max.min(Semaphore::MAX_PERMITS);
    let slots = Arc::new(Semaphore::new(config.queue_commands_max));
    let writer = Writer {
        queue: sender,
        slots: Arc::clone(&slots),
        bytes: Arc::new(Semaphore::new(bytes_max)),
        bytes_max,
        command_bytes_max: config.batch_bytes_max,
        vault: vault.clone(),
    };
    let batches = Batches::new(receiver);
    (writer, WriterTask { config, batches, slots, lanes, relay, vault })
}

impl WriterTask {
    /// Works until every [`Writer`] is dropped and the queue is empty.
    pub async fn run(mut self) {
        let mut state = State {
            session: Session::new(self.config.database.clone(), self.config.batch_timeout),
            memory: Memory::new(self.lanes.clone(), self.config.cache_bytes_max),
        };
        while let Some(batch) = self.batches.next(self.bounds()).await {
            let deferred = self.execute(&mut state, batch).await;
            self.batches.defer(deferred);
            self.report(&state.memory);
        }
    }

    fn report(&self, memory: &Memory) {
        memory.cache.report();
        let waiting = self.config.queue_commands_max.saturating_sub(self.slots.available_permits());
        metrics::queued(waiting);
    }

    fn bounds(&self) -> Bounds {
        Bounds {
            commands_max: self.config.batch_commands_max,
            bytes_max: self.config.batch_bytes_max,
        }
    }
}
