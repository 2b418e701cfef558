//! The writer: one queue, one connection, one batch after another.
//!
//! While a batch is committed, requests queue; all that queued becomes the next batch. There is no
//! timer: a lone request is a batch of one, and a busy service commits hundreds at once.

mod queue;

use std::sync::Arc;
use std::time::Duration;

use shared_events::lane::LaneMap;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{Instant, timeout};

use self::queue::{Batches, Bounds, Queued};
use super::batch::{self, Deferral};
use super::cache::{Cache, Extent};
use super::load::LoadError;
use super::session::{Session, SessionError};
use super::submission::{NotExecuted, Outcome, Submission};
use crate::config::DatabaseUrl;
use crate::relay::Handoff;

/// The writer's bounds.
#[derive(Debug, Clone)]
pub struct WriterConfig {
    /// The write database, as the service's own role.
    pub database: DatabaseUrl,
    /// Requests that may wait; one more is refused at once.
    pub queue_commands_max: usize,
    /// Bytes that waiting requests may take together, as estimated by [`Submission::weight`].
    pub queue_bytes_max: usize,
    /// Requests in one transaction.
    pub batch_commands_max: usize,
    /// Estimated bytes in one transaction, and so of one request.
    pub batch_bytes_max: usize,
    /// Bytes of states kept in memory.
    pub cache_bytes_max: usize,
    /// How long a connection attempt, and how long a whole batch before its commit, may take.
    pub batch_timeout: Duration,
    /// How long a commit may take before its outcome counts as unknown.
    pub commit_timeout: Duration,
}

/// Hands requests to the writer. Cheap to clone; the writer ends when the last one is dropped.
#[derive(Debug, Clone)]
pub struct Writer {
    queue: mpsc::Sender<Queued>,
    bytes: Arc<Semaphore>,
    bytes_max: usize,
    command_bytes_max: usize,
}

impl Writer {
    /// Puts a request into the queue and waits for how it ends. Dropping the future cancels
    /// nothing: what is queued is decided, unless its deadline passes first.
    pub async fn submit(&self, submission: Submission) -> Outcome {
        let full = NotExecuted::QueueFull { retry_after: Duration::from_secs(1) };
        let weight = submission.weight();
        if weight > self.command_bytes_max {
            let limit = self.command_bytes_max;
            return Outcome::NotExecuted(NotExecuted::TooLarge { limit });
        }
        let weight = u32::try_from(weight.min(self.bytes_max)).unwrap_or(u32::MAX);
        let Ok(bytes) = Arc::clone(&self.bytes).try_acquire_many_owned(weight) else {
            return Outcome::NotExecuted(full);
        };
        let (answer, answered) = oneshot::channel();
        let queued = Queued { submission, answer, bytes, since: Instant::now(), patience: None };
        match self.queue.try_send(queued) {
            Ok(()) => answered.await.unwrap_or(Outcome::Unknown),
            Err(TrySendError::Full(_)) => Outcome::NotExecuted(full),
            Err(TrySendError::Closed(_)) => Outcome::NotExecuted(NotExecuted::Stopping),
        }
    }
}

/// The task that owns the queue's end, the connection and the cache.
#[derive(Debug)]
pub struct WriterTask {
    config: WriterConfig,
    batches: Batches,
    lanes: LaneMap,
    relay: Handoff,
}

/// Makes a writer; it works while [`WriterTask::run`] runs.
pub fn start(config: WriterConfig, lanes: LaneMap, relay: Handoff) -> (Writer, WriterTask) {
    let (sender, receiver) = mpsc::channel(config.queue_commands_max);
    let bytes_max = config.queue_bytes_max.min(Semaphore::MAX_PERMITS);
    let writer = Writer {
        queue: sender,
        bytes: Arc::new(Semaphore::new(bytes_max)),
        bytes_max,
        command_bytes_max: config.batch_bytes_max,
    };
    (writer, WriterTask { config, batches: Batches::new(receiver), lanes, relay })
}

impl WriterTask {
    /// Works until every [`Writer`] is dropped and the queue is empty.
    pub async fn run(mut self) {
        let mut working = Working {
            session: Session::new(self.config.database.clone(), self.config.batch_timeout),
            cache: Cache::new(self.lanes.clone(), self.config.cache_bytes_max),
        };
        let bounds = Bounds {
            commands_max: self.config.batch_commands_max,
            bytes_max: self.config.batch_bytes_max,
        };
        while let Some(batch) = self.batches.next(bounds).await {
            let deferred = self.process(&mut working, batch).await;
            self.batches.defer(deferred);
            working.report(self.batches.len());
        }
    }

    /// Executes a batch; one that fails without effect is tried again, then request by request, so
    /// that one bad request cannot fail its neighbours. Returns those that have to wait, and why.
    async fn process(&self, working: &mut Working, batch: Vec<Queued>) -> Vec<(Queued, Deferral)> {
        for queued in batch.iter().filter(|queued| queued.patience.is_none()) {
            metrics::histogram!("stockbook_writer_wait_seconds").record(queued.since.elapsed());
        }
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
                // Nobody waits any more when the client has gone; the outcome stands all the same.
                Ok(outcome) => drop(queued.answer.send(outcome)),
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

    /// One transaction: steps 1 to 5, then 6: commit, remember, hand to the relay.
    async fn execute(
        &self,
        working: &mut Working,
        batch: &[&Submission],
    ) -> Result<Vec<Result<Outcome, Deferral>>, Failure> {
        let started = Instant::now();
        let Working { session, cache } = working;
        let mut connection = session.take().await.map_err(Failure::from_session)?;
        let written = batch::write(&mut connection, cache, batch, self.config.batch_bytes_max);
        let mut written = match timeout(self.config.batch_timeout, written).await {
            Ok(Ok(written)) => written,
            Ok(Err(LoadError::Unreadable { stream, source })) => {
                tracing::error!(%stream, %source, "nothing can be decided on the stream");
                return Err(Failure::Unreadable);
            }
            Ok(Err(LoadError::Database(error))) => {
                tracing::warn!(%error, requests = batch.len(), "a batch failed before its commit");
                return Err(Failure::NoEffect);
            }
            Err(_) => {
                tracing::warn!(requests = batch.len(), "a batch took too long and was given up");
                return Err(Failure::NoEffect);
            }
        };
        let committing = Instant::now();
        let commit = sqlx::raw_sql("commit").execute(&mut connection);
        match timeout(self.config.commit_timeout, commit).await {
            Ok(Ok(_)) => session.give_back(connection),
            Ok(Err(error)) if is_refused_commit(&error) => {
                tracing::warn!(%error, "a commit was refused");
                return Err(Failure::NoEffect);
            }
            lost => {
                tracing::error!(?lost, "a commit was not answered; its outcome is unknown");
                metrics::counter!("stockbook_writer_unknown_commits_total").increment(1);
                cache.clear();
                return Err(Failure::Unknown);
            }
        }
        written.remember(cache);
        metrics::histogram!("stockbook_writer_commit_seconds").record(committing.elapsed());
        metrics::histogram!("stockbook_writer_batch_commands").record(batch.len() as f64);
        metrics::histogram!("stockbook_writer_batch_seconds").record(started.elapsed());
        self.relay.offer(written.events);
        Ok(written.outcomes)
    }
}

struct Working {
    session: Session,
    cache: Cache,
}

impl Working {
    fn report(&self, queued: usize) {
        let Extent { states, bytes } = self.cache.extent();
        metrics::gauge!("stockbook_writer_cache_states").set(states as f64);
        metrics::gauge!("stockbook_writer_cache_bytes").set(bytes as f64);
        metrics::gauge!("stockbook_writer_queue_commands").set(queued as f64);
    }
}

/// How a transaction failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Failure {
    /// Certainly without effect, and perhaps because of one request of the batch.
    NoEffect,
    /// Certainly without effect: a stream that the batch names cannot be read by this binary.
    Unreadable,
    /// Certainly without effect: there is no database to talk to.
    Unreachable,
    /// The commit was sent and not answered.
    Unknown,
}

impl Failure {
    fn from_session(error: SessionError) -> Self {
        tracing::warn!(%error, "the write database cannot be reached");
        Self::Unreachable
    }

    fn outcome(self) -> Outcome {
        match self {
            Self::NoEffect | Self::Unreachable => {
                Outcome::NotExecuted(NotExecuted::DatabaseUnavailable)
            }
            Self::Unreadable => Outcome::NotExecuted(NotExecuted::Unreadable),
            Self::Unknown => Outcome::Unknown,
        }
    }
}

/// Whether Postgres answered a commit by refusing it: an integrity or serialisation failure.
fn is_refused_commit(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.is_some_and(|code| code.starts_with("23") || code.starts_with("40"))
}
