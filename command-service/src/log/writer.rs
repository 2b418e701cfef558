//! The writer: one queue, one connection, one batch after another.
//!
//! While a batch is on its way to the log, the requests that come are decided, and become the next one.
//! There is no timer: a lone request is a batch of one, and a busy service commits hundreds at once.

mod ahead;
mod queue;
mod transaction;

use std::sync::Arc;
use std::time::Duration;

use shared_events::lane::LaneMap;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::Instant;

use self::queue::{Batches, Bounds, Queued};
use self::transaction::{Failure, Working, report};
use super::batch::Deferral;
use super::submission::{NotExecuted, Outcome, Submission};
use crate::config::DatabaseUrl;
use crate::relay::Handoff;

/// One request more than may wait.
const FULL: NotExecuted = NotExecuted::QueueFull { retry_after: Duration::from_secs(1) };

/// The writer's bounds.
#[derive(Debug, Clone)]
pub struct WriterConfig {
    /// The write database, as the service's own role.
    pub database: DatabaseUrl,
    /// Requests that may wait, those included that are decided and wait for the batch before theirs; one
    /// more is refused at once.
    pub queue_commands_max: usize,
    /// Bytes that waiting requests may take together, as estimated by [`Submission::weight`].
    pub queue_bytes_max: usize,
    /// Requests in one transaction.
    pub batch_commands_max: usize,
    /// Estimated bytes in one transaction, and so of one request.
    pub batch_bytes_max: usize,
    /// Bytes of states kept in memory.
    pub cache_bytes_max: usize,
    /// How long a connection attempt, and how long a whole batch before what commits it, may take.
    pub batch_timeout: Duration,
    /// How long a commit may take before its outcome counts as unknown.
    pub commit_timeout: Duration,
}

/// Hands requests to the writer. Cheap to clone; the writer ends when the last one is dropped.
#[derive(Debug, Clone)]
pub struct Writer {
    queue: mpsc::Sender<Queued>,
    places: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
    bytes_max: usize,
    command_bytes_max: usize,
}

impl Writer {
    /// Why the next request would not be executed, whatever it is: as many wait as may.
    pub fn overload(&self) -> Option<NotExecuted> {
        (self.places.available_permits() == 0).then_some(FULL)
    }

    /// Puts a request into the queue and waits for how it ends. Dropping the future cancels
    /// nothing: what is queued is decided, unless its deadline passes first.
    pub async fn submit(&self, submission: Submission) -> Outcome {
        let weight = submission.weight();
        if weight > self.command_bytes_max {
            let limit = self.command_bytes_max;
            return Outcome::NotExecuted(NotExecuted::TooLarge { limit });
        }
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            return Outcome::NotExecuted(FULL);
        };
        let weight = u32::try_from(weight.min(self.bytes_max)).unwrap_or(u32::MAX);
        let Ok(bytes) = Arc::clone(&self.bytes).try_acquire_many_owned(weight) else {
            return Outcome::NotExecuted(FULL);
        };
        let (answer, answered) = oneshot::channel();
        let since = Instant::now();
        let place = Some(place);
        let queued = Queued { submission, answer, place, bytes, since, patience: None };
        match self.queue.try_send(queued) {
            Ok(()) => answered.await.unwrap_or(Outcome::Unknown),
            Err(TrySendError::Full(_)) => Outcome::NotExecuted(FULL),
            Err(TrySendError::Closed(_)) => Outcome::NotExecuted(NotExecuted::Stopping),
        }
    }
}

/// The task that owns the queue's end, the connection and the cache.
#[derive(Debug)]
pub struct WriterTask {
    config: WriterConfig,
    batches: Batches,
    places: Arc<Semaphore>,
    lanes: LaneMap,
    relay: Handoff,
}

/// Makes a writer; it works while [`WriterTask::run`] runs.
pub fn start(config: WriterConfig, lanes: LaneMap, relay: Handoff) -> (Writer, WriterTask) {
    let (sender, receiver) = mpsc::channel(config.queue_commands_max);
    let bytes_max = config.queue_bytes_max.min(Semaphore::MAX_PERMITS);
    let places = Arc::new(Semaphore::new(config.queue_commands_max));
    let writer = Writer {
        queue: sender,
        places: Arc::clone(&places),
        bytes: Arc::new(Semaphore::new(bytes_max)),
        bytes_max,
        command_bytes_max: config.batch_bytes_max,
    };
    (writer, WriterTask { config, batches: Batches::new(receiver), places, lanes, relay })
}

impl WriterTask {
    /// Works until every [`Writer`] is dropped and the queue is empty.
    pub async fn run(mut self) {
        let mut working = Working::new(&self.config, self.lanes.clone());
        while let Some(batch) = self.batches.next(self.bounds()).await {
            // As long as the log is as it is foreseen, batch after batch; then what is left, under locks.
            let left = self.execute_ahead(&mut working, batch).await;
            let deferred = self.process(&mut working, left).await;
            self.batches.defer(deferred);
            report(&working.cache, self.waiting());
        }
    }

    /// Requests that wait.
    fn waiting(&self) -> usize {
        self.config.queue_commands_max.saturating_sub(self.places.available_permits())
    }

    fn bounds(&self) -> Bounds {
        Bounds {
            commands_max: self.config.batch_commands_max,
            bytes_max: self.config.batch_bytes_max,
        }
    }

    /// Executes a batch; one that fails without effect is tried again, then request by request, so
    /// that one bad request cannot fail its neighbours. Returns those that have to wait, and why.
    async fn process(
        &self,
        working: &mut Working,
        mut batch: Vec<Queued>,
    ) -> Vec<(Queued, Deferral)> {
        if batch.is_empty() {
            return Vec::new();
        }
        batch.iter_mut().for_each(Queued::waited);
        let submissions: Vec<&Submission> = batch.iter().map(|queued| &queued.submission).collect();
        let executed = match self.execute(working, &submissions).await {
            Err(Failure::NoEffect) => self.execute(working, &submissions).await,
            other => other,
        };
        let outcomes = match executed {
            Ok(outcomes) => outcomes,
            Err(Failure::NoEffect | Failure::Unreadable) if submissions.len() > 1 => {
                let mut outcomes = Vec::with_capacity(submissions.len());
                for submission in &submissions {
                    outcomes.push(self.execute_alone(working, submission).await);
                }
                outcomes
            }
            Err(failure) => submissions.iter().map(|_| Ok(failure.outcome())).collect(),
        };
        let mut deferred = Vec::new();
        for (mut queued, outcome) in batch.into_iter().zip(outcomes) {
            match outcome.or_else(|deferral| queued.defer(deferral)) {
                Ok(outcome) => queued.end(outcome),
                Err(deferral) => deferred.push((queued, deferral)),
            }
        }
        deferred
    }

    async fn execute_alone(
        &self,
        working: &mut Working,
        submission: &Submission,
    ) -> Result<Outcome, Deferral> {
        if submission.key.is_none() && submission.deadline <= Instant::now() {
            return Ok(Outcome::NotExecuted(NotExecuted::DeadlinePassed));
        }
        match self.execute(working, &[submission]).await {
            Ok(mut outcomes) => outcomes.pop().unwrap_or(Ok(Outcome::Unknown)),
            Err(failure) => Ok(failure.outcome()),
        }
    }
}
