//! How a batch is committed or fails, and what changes in memory after the commit.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use inventory::{Inventory, StreamState};
use service_edge::outage::Outage;
use shared_events::lane::Lane;
use shared_events::recorded::RecordedEvent;
use shared_events::stream::Stream;
use shared_events::time::Timestamp;
use sqlx::PgConnection;
use sqlx::postgres::{PgDatabaseError, PgSeverity};
use tokio::time::{Instant, timeout, timeout_at};

use super::cache::Memory;
use super::deciding::Decided;
use super::plan::Plan;
use super::session::{Session, SessionError};
use crate::log::append::{Append, Appended, Conflict, Expected, OptionalColumns};
use crate::log::idempotency::KnownOutcomes;
use crate::log::load::LoadError;
use crate::log::row::LaneHead;
use crate::log::snapshot;
use crate::log::submission::{IdempotencyKey, NotExecuted, Outcome};
use crate::metrics;
use crate::personal::PersonalVault;

/// The write database, as the batches find it.
static OUTAGE: Outage = Outage::none();

/// The state after a batch, which becomes valid with its commit.
#[derive(Debug)]
pub(crate) struct AfterCommit {
    /// The new events, in the order of each lane.
    pub(crate) events: Vec<Arc<RecordedEvent>>,
    pub(crate) recorded_at: Timestamp,
    inventory: Inventory,
    heads: HashMap<Lane, LaneHead>,
    /// The snapshots to save after the commit.
    pub(crate) snapshots: BTreeMap<Stream, StreamState>,
}

impl AfterCommit {
    /// Splits a decided batch into the state after its commit and the rows to write.
    pub(crate) fn split(memory: &Memory, plan: &Plan, decided: Decided) -> (Self, Append) {
        let Decided { inventory, sequencer, events, mut append } = decided;
        append.columns = OptionalColumns::of(&events);
        metrics::batch_decided(events.len());
        let overdue = memory.overdue.among(|stream| plan.is_decisive(stream));
        let snapshots = snapshot::due(&events, overdue, &inventory);
        let recorded_at = sequencer.recorded_at();
        let heads = sequencer.into_heads();
        (Self { events, recorded_at, inventory, heads, snapshots }, append)
    }

    /// The state of a stream after the batch, if the batch needed it.
    pub(crate) fn state(&self, stream: &Stream) -> Option<StreamState> {
        self.inventory.state(stream)
    }

    /// The head of a lane after the batch, if the lane decided the batch.
    pub(crate) fn head(&self, lane: Lane) -> Option<LaneHead> {
        self.heads.get(&lane).copied()
    }

    /// Updates the writer's memory. To be called only after the commit.
    pub(crate) fn remember(&mut self, memory: &mut Memory, commands: usize, since: Instant) {
        for (_, head) in self.heads.drain() {
            memory.cache.set_head(head);
        }
        memory.cache.put_all(std::mem::take(&mut self.inventory));
        memory.overdue.remove(self.snapshots.keys());
        memory.policy.raise_time(self.recorded_at);
        metrics::batch_committed(commands, self.snapshots.len(), since.elapsed());
    }
}

/// How a transaction failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Certainly without effect, and possibly because of one request of the batch.
    NoEffect,
    /// Certainly without effect: this binary cannot read a stream of the batch.
    Unreadable,
    /// Certainly without effect: the database cannot be reached.
    Unreachable,
    /// The commit was sent and not answered.
    Unknown,
}

impl Failure {
    pub(crate) fn from_session(error: SessionError) -> Self {
        if let Some(failures) = OUTAGE.failed() {
            tracing::warn!(%error, failures, "the write database cannot be reached");
        }
        Self::Unreachable
    }

    pub(crate) fn outcome(self) -> Outcome {
        match self {
            Self::NoEffect | Self::Unreachable => {
                Outcome::NotExecuted(NotExecuted::DatabaseUnavailable)
            }
            Self::Unreadable => Outcome::NotExecuted(NotExecuted::Unreadable),
            Self::Unknown => Outcome::Unknown,
        }
    }
}

/// Sends the rows of a batch: as a transaction, or as the last statement of the one that holds its lanes.
pub(crate) async fn append(
    session: &mut Session,
    rows: Append,
    expected: Expected,
    after: &AfterCommit,
    at_most: Duration,
    vault: Option<&PersonalVault>,
) -> Result<Appended, Failure> {
    let mut connection = session.take().await.map_err(Failure::from_session)?;
    let in_transaction = expected.in_transaction;
    let unsealed = match vault {
        Some(vault) if !rows.subject_keys.is_empty() => {
            let confirming = confirm_keys(&mut connection, &rows, &expected, vault);
            before_commit(Instant::now() + at_most, confirming).await?
        }
        _ => None,
    };
    let appended = if !in_transaction {
        match unsealed {
            Some(conflict) => Appended::Conflict(conflict),
            None => commit(at_most, rows.write(&mut connection, expected)).await?,
        }
    } else {
        let appended = match unsealed {
            Some(conflict) => Appended::Conflict(conflict),
            None => {
                let writing = async { Ok(rows.write(&mut connection, expected).await?) };
                before_commit(Instant::now() + at_most, writing).await?
            }
        };
        match &appended {
            Appended::Written { .. } => {
                commit(at_most, sqlx::raw_sql("commit").execute(&mut connection)).await?;
            }
            Appended::Conflict(_) => {
                let ending =
                    async { Ok(sqlx::raw_sql("rollback").execute(&mut connection).await?) };
                before_commit(Instant::now() + at_most, ending).await?;
            }
        }
        appended
    };
    if !after.snapshots.is_empty()
        && matches!(appended, Appended::Written { .. })
        && let Err(error) = snapshot::save(&mut connection, &after.snapshots).await
    {
        tracing::warn!(%error, "snapshots could not be saved; the streams are read from older ones");
        return Ok(appended);
    }
    session.give_back(connection);
    Ok(appended)
}

/// Makes the keys of sealed personal data that are not there yet, right before what they sealed is recorded.
/// Returns why nothing can be recorded.
async fn confirm_keys(
    connection: &mut PgConnection,
    rows: &Append,
    expected: &Expected,
    vault: &PersonalVault,
) -> Result<Option<Conflict>, LoadError> {
    // A repeated request makes no key: its outcome comes first. Under the locks it was read already.
    let makes_keys = rows.subject_keys.iter().any(|key| !key.is_made());
    if makes_keys && !expected.keys.is_empty() && !expected.in_transaction {
        let keys: Vec<&IdempotencyKey> = expected.keys.iter().collect();
        let known = KnownOutcomes::find(connection, &keys).await?;
        if keys.iter().any(|key| known.of(key).is_some()) {
            return Ok(Some(Conflict::KeyUsed));
        }
    }
    let hold = vault.confirm(&rows.subject_keys).await?;
    Ok((!hold).then_some(Conflict::Sealing))
}

/// Waits for the work before a commit.
pub(crate) async fn before_commit<T>(
    until: Instant,
    working: impl Future<Output = Result<T, LoadError>>,
) -> Result<T, Failure> {
    match timeout_at(until, working).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(LoadError::Unreadable { stream, source })) => {
            tracing::error!(%stream, %source, "commands on this stream are refused: it cannot be read");
            Err(Failure::Unreadable)
        }
        Ok(Err(LoadError::Database(error))) => {
            if let Some(failures) = OUTAGE.failed() {
                tracing::warn!(%error, failures, "a batch failed before its commit; nothing of it was recorded");
            }
            Err(Failure::NoEffect)
        }
        Err(_) => {
            if let Some(failures) = OUTAGE.failed() {
                tracing::warn!(
                    failures,
                    "a batch timed out before its commit; nothing of it was recorded"
                );
            }
            Err(Failure::NoEffect)
        }
    }
}

/// Waits for a statement that commits.
async fn commit<T>(
    at_most: Duration,
    committing: impl Future<Output = sqlx::Result<T>>,
) -> Result<T, Failure> {
    let sent = Instant::now();
    let lost = match timeout(at_most, committing).await {
        Ok(Ok(answer)) => {
            metrics::commit_answered(sent.elapsed());
            if OUTAGE.is_over() {
                tracing::info!("the write database commits again");
            }
            return Ok(answer);
        }
        Ok(Err(error)) if is_refused(&error) => {
            tracing::warn!(%error, "the database refused a commit");
            return Err(Failure::NoEffect);
        }
        Ok(Err(error)) => Some(error),
        Err(_) => None,
    };
    tracing::error!(
        ?lost,
        "a commit was not answered, so its outcome is unknown; callers learn it by repeating with their keys"
    );
    metrics::commit_unknown();
    Err(Failure::Unknown)
}

/// Whether Postgres refused a statement that commits. An `ERROR` ends the transaction without effect;
/// a `FATAL` ends the session, possibly after the commit.
fn is_refused(error: &sqlx::Error) -> bool {
    let error = error.as_database_error().and_then(|error| error.try_downcast_ref());
    error.is_some_and(|error: &PgDatabaseError| error.severity() == PgSeverity::Error)
}
