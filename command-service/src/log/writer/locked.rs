//! One batch in one transaction under locks, in six steps.

use std::collections::HashSet;
use std::time::Duration;

use shared_events::lane::Lane;
use shared_events::time::Timestamp;
use sqlx::types::chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, PgConnection, Row};
use tokio::time::Instant;

use super::cache::Memory;
use super::catch_up::{self, CaughtUp};
use super::commit::{AfterCommit, Failure, before_commit, commit};
use super::deciding::{Decider, Deferral, Outcomes};
use super::plan::Plan;
use super::sequencer::Sequencer;
use super::{State, WriterTask};
use crate::log::idempotency::KnownOutcomes;
use crate::log::load::{self, LoadError};
use crate::log::reversal;
use crate::log::row::{LaneHead, array, lane_number};
use crate::log::submission::{IdempotencyKey, Outcome, Submission};
use crate::metrics;

/// Raise the alarm if the lane's last time is more than this ahead of the database's clock.
const CLOCK_AHEAD_MAX: Duration = Duration::from_secs(5);

impl WriterTask {
    /// Executes a batch in one transaction: steps 1 to 5, then 6: commit, remember, send to the relay.
    pub(super) async fn execute(
        &self,
        state: &mut State,
        batch: &[&Submission],
    ) -> Result<Outcomes, Failure> {
        let started = Instant::now();
        let State { session, memory } = state;
        let mut connection = session.take().await.map_err(Failure::from_session)?;
        let until = started + self.config.batch_timeout;
        let writing = write(&mut connection, memory, batch, self.config.batch_bytes_max);
        let (mut after, outcomes) = before_commit(until, writing).await?;
        let committing = sqlx::raw_sql("commit").execute(&mut connection);
        if let Err(failure) = commit(self.config.commit_timeout, committing).await {
            // The log may or may not contain the batch, so the cache may be wrong.
            if failure == Failure::Unknown {
                memory.cache.clear();
            }
            return Err(failure);
        }
        session.give_back(connection);
        after.remember(memory, batch.len(), started);
        if outcomes.iter().any(is_about_a_key) {
            memory.policy.forgive_conflict();
        }
        self.relay.offer(after.events);
        Ok(outcomes)
    }
}

/// Whether the stored outcome or the lock of its key decided a request.
fn is_about_a_key(outcome: &Result<Outcome, Deferral>) -> bool {
    matches!(outcome, Ok(Outcome::Replayed(_) | Outcome::KeyReused) | Err(Deferral::KeyBusy))
}

/// Runs steps 1 to 5 in a transaction that it begins and leaves open. After an error nothing is
/// committed, and the connection must not be used again.
async fn write(
    connection: &mut PgConnection,
    memory: &mut Memory,
    batch: &[&Submission],
    bytes_max: usize,
) -> Result<(AfterCommit, Outcomes), LoadError> {
    // Before the locks, to hold them briefly: plan the batch and load missing streams.
    let plan = Plan::of(connection, memory, batch, bytes_max).await?;
    let missing = plan.all_streams().filter(|stream| !memory.cache.contains(stream));
    let missing: Vec<_> = missing.cloned().collect();
    if !missing.is_empty() {
        catch_up::load_missing(connection, memory, &missing).await?;
    }

    // 1. Lock the keys and the lanes of the batch; under the locks, read heads and clock.
    let asked = Instant::now();
    let Locked { heads, clock, busy } = Locked::take(connection, &plan).await?;
    memory.policy.observe_clock(asked, clock);

    // 2. In a later statement, so with a newer database snapshot: read stored outcomes.
    let keys: Vec<&IdempotencyKey> =
        plan.admitted(batch).filter_map(Submission::stored_key).collect();
    let known = KnownOutcomes::find(connection, &keys).await?;

    // 3. Bring the cache up to the heads, and copy the working set from it.
    for head in &heads {
        if catch_up::catch_up(connection, &mut memory.cache, *head).await? == CaughtUp::Forked {
            metrics::forked();
            tracing::error!(
                lane = head.lane.0,
                position = head.position.0,
                "the log has changed since this service read it, as after a failover or a restore; \
                 dropping the cached states of the lane"
            );
        }
    }
    let everywhere = load::stock_streams(connection, &plan.items_everywhere).await?;
    let streams = plan.all_streams().chain(&everywhere);
    let mut inventory = catch_up::states(connection, memory, streams).await?;
    reversal::insert_targets(connection, &plan.reversals, &mut inventory).await?;

    // 4. Decide in the order of arrival.
    let recorded_at = batch_time(&heads, clock);
    let sequencer = Sequencer::new(heads, recorded_at);
    let mut decider = Decider::new(memory.cache.lanes(), busy, known, inventory, sequencer);
    let outcomes = decider.decide_all(&plan, batch);
    let (after, append, reversals) = AfterCommit::split(memory, &plan, decider.finish());

    // 5. Write events, outcomes and derived rows.
    if !append.is_empty() {
        append.write(connection, recorded_at).await?;
    }
    reversals.save(connection).await?;
    Ok((after, outcomes))
}

/// The locks that a batch holds until its transaction ends.
struct Locked {
    /// The heads of the locked lanes.
    heads: Vec<LaneHead>,
    /// The database's clock.
    clock: Timestamp,
    /// The locks of keys that another instance holds. Lanes that only those keys need are not locked.
    busy: HashSet<i64>,
}

impl Locked {
    /// Begins the transaction of a batch and locks its keys and lanes, in one round trip: two statements
    /// that contain only integers, sent together.
    async fn take(connection: &mut PgConnection, plan: &Plan) -> Result<Self, LoadError> {
        let keys = array(plan.key_locks());
        let lanes = array(plan.needed.iter().map(|(lane, _)| lane_number(*lane)));
        let keys_of_lanes = array(
            plan.needed.iter().map(|(_, key)| key.map_or("null".to_owned(), |key| key.to_string())),
        );
        let statements = format!(
            "begin isolation level read committed; \
             select * from take_lanes('{keys}', '{lanes}', '{keys_of_lanes}')"
        );
        let rows = sqlx::raw_sql(AssertSqlSafe(statements)).fetch_all(connection).await?;
        let first = rows.first().ok_or(sqlx::Error::RowNotFound)?;
        let clock = Timestamp::new(first.try_get::<DateTime<Utc>, _>("now")?);
        let busy: HashSet<i64> = first.try_get::<Vec<i64>, _>("busy")?.into_iter().collect();
        let heads: Vec<LaneHead> =
            rows.iter().filter_map(LaneHead::found).collect::<sqlx::Result<_>>()?;
        let is_locked = |lane: Lane| heads.iter().any(|head| head.lane == lane);
        let is_needed = |key: Option<i64>| key.is_none_or(|key| !busy.contains(&key));
        match plan.needed.iter().find(|(lane, key)| is_needed(*key) && !is_locked(*lane)) {
            None => Ok(Self { heads, clock, busy }),
            Some((lane, _)) => {
                let missing = format!("lane {} is not among the lanes of the log", lane.0);
                Err(LoadError::Database(sqlx::Error::Protocol(missing)))
            }
        }
    }
}

/// The time of the batch: the database's clock, but never before the last time in its lanes.
fn batch_time(heads: &[LaneHead], clock: Timestamp) -> Timestamp {
    let latest = heads.iter().filter_map(|head| head.recorded_at).max().unwrap_or(clock);
    if latest > clock + CLOCK_AHEAD_MAX {
        metrics::clock_behind();
        tracing::error!(
            log = %latest, clock = %clock,
            "the database's clock is behind the log's last time, which is used until the clock has caught up"
        );
    }
    latest.max(clock)
}
