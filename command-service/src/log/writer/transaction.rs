//! One batch, one transaction, under locks; and how a transaction fails.

use std::time::Duration;

use shared_events::lane::LaneMap;
use sqlx::postgres::{PgDatabaseError, PgSeverity};
use tokio::time::{Instant, timeout, timeout_at};

use super::{WriterConfig, WriterTask};
use crate::log::batch::{self, Deferral, Outcomes, Written};
use crate::log::cache::{Cache, Extent};
use crate::log::load::LoadError;
use crate::log::session::{Session, SessionError};
use crate::log::submission::{NotExecuted, Outcome, Submission};

/// What the writer works with.
pub(super) struct Working {
    pub(super) session: Session,
    pub(super) cache: Cache,
}

impl Working {
    pub(super) fn new(config: &WriterConfig, lanes: LaneMap) -> Self {
        Self {
            session: Session::new(config.database.clone(), config.batch_timeout),
            cache: Cache::new(lanes, config.cache_bytes_max),
        }
    }
}

/// Tells what the writer remembers, and how many requests wait.
pub(super) fn report(cache: &Cache, queued: usize) {
    let Extent { states, bytes } = cache.extent();
    metrics::gauge!("stockbook_writer_cache_states").set(states as f64);
    metrics::gauge!("stockbook_writer_cache_bytes").set(bytes as f64);
    metrics::gauge!("stockbook_writer_queue_commands").set(queued as f64);
}

/// How a transaction failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// Certainly without effect, and perhaps because of one request of the batch.
    NoEffect,
    /// Certainly without effect: a stream that the batch names cannot be read by this binary.
    Unreadable,
    /// Certainly without effect: there is no database to talk to.
    Unreachable,
    /// What commits was sent and not answered.
    Unknown,
}

impl Failure {
    pub(super) fn from_session(error: SessionError) -> Self {
        tracing::warn!(%error, "the write database cannot be reached");
        Self::Unreachable
    }

    pub(super) fn outcome(self) -> Outcome {
        match self {
            Self::NoEffect | Self::Unreachable => {
                Outcome::NotExecuted(NotExecuted::DatabaseUnavailable)
            }
            Self::Unreadable => Outcome::NotExecuted(NotExecuted::Unreadable),
            Self::Unknown => Outcome::Unknown,
        }
    }
}

impl WriterTask {
    /// One transaction: steps 1 to 5, then 6: commit, remember, hand to the relay.
    pub(super) async fn execute(
        &self,
        working: &mut Working,
        batch: &[&Submission],
    ) -> Result<Outcomes, Failure> {
        let started = Instant::now();
        let Working { session, cache } = working;
        let mut connection = session.take().await.map_err(Failure::from_session)?;
        let until = started + self.config.batch_timeout;
        let writing = batch::write(&mut connection, cache, batch, self.config.batch_bytes_max);
        let (mut written, outcomes) = uncommitted(until, writing).await?;
        let commit = sqlx::raw_sql("commit").execute(&mut connection);
        if let Err(failure) = committed(self.config.commit_timeout, commit).await {
            // Nobody knows whether what was decided is now true.
            if failure == Failure::Unknown {
                cache.clear();
            }
            return Err(failure);
        }
        session.give_back(connection);
        remember(&mut written, cache, batch.len(), started);
        if outcomes.iter().any(is_about_a_key) {
            cache.foresight.was_about_a_key();
        }
        self.relay.offer(written.events);
        Ok(outcomes)
    }
}

/// Whether a request ended, or waits, because of what its key stands for.
fn is_about_a_key(outcome: &Result<Outcome, Deferral>) -> bool {
    matches!(outcome, Ok(Outcome::Replayed(_) | Outcome::KeyReused) | Err(Deferral::KeyBusy))
}

/// Makes what was decided what is known, and measures the batch; to be called after the commit and not
/// before.
pub(super) fn remember(written: &mut Written, cache: &mut Cache, commands: usize, since: Instant) {
    written.remember(cache);
    metrics::histogram!("stockbook_writer_batch_commands").record(commands as f64);
    metrics::histogram!("stockbook_writer_batch_seconds").record(since.elapsed());
}

/// Waits for what goes before a commit.
async fn uncommitted<T>(
    until: Instant,
    working: impl Future<Output = Result<T, LoadError>>,
) -> Result<T, Failure> {
    match timeout_at(until, working).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(LoadError::Unreadable { stream, source })) => {
            tracing::error!(%stream, %source, "nothing can be decided on the stream");
            Err(Failure::Unreadable)
        }
        Ok(Err(LoadError::Database(error))) => {
            tracing::warn!(%error, "a batch failed before its commit");
            Err(Failure::NoEffect)
        }
        Err(_) => {
            tracing::warn!("a batch took too long and was given up");
            Err(Failure::NoEffect)
        }
    }
}

/// Waits for a statement that commits.
pub(super) async fn committed<T>(
    at_most: Duration,
    committing: impl Future<Output = sqlx::Result<T>>,
) -> Result<T, Failure> {
    let sent = Instant::now();
    let lost = match timeout(at_most, committing).await {
        Ok(Ok(answer)) => {
            metrics::histogram!("stockbook_writer_commit_seconds").record(sent.elapsed());
            return Ok(answer);
        }
        Ok(Err(error)) if is_refused(&error) => {
            tracing::warn!(%error, "a commit was refused");
            return Err(Failure::NoEffect);
        }
        Ok(Err(error)) => Some(error),
        Err(_) => None,
    };
    tracing::error!(?lost, "a commit was not answered; its outcome is unknown");
    metrics::counter!("stockbook_writer_unknown_commits_total").increment(1);
    Err(Failure::Unknown)
}

/// Whether Postgres answered a statement that commits by refusing it. An `ERROR` ends the transaction
/// without effect; what ends the session may come after the commit.
fn is_refused(error: &sqlx::Error) -> bool {
    let error = error.as_database_error().and_then(|error| error.try_downcast_ref());
    error.is_some_and(|error: &PgDatabaseError| error.severity() == PgSeverity::Error)
}
