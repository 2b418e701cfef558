//! One transaction for many requests: steps 1 to 5 of six, under locks. The sixth, the commit
//! and what follows it, is the writer's.

use std::collections::HashMap;
use std::sync::Arc;

use shared_events::lane::Lane;
use shared_events::recorded::RecordedEvent;
use shared_events::stream::Stream;
use shared_events::time::Timestamp;
use sqlx::PgConnection;
use tokio::time::Instant;

use super::append::Append;
use super::cache::{Cache, LaneClock};
use super::deciding::{Decided, Deciding};
use super::load::{self, CaughtUp, Head, LoadError};
use super::locks::{self, Locked};
use super::outcomes;
use super::past::{self, Reversals};
use super::places::Places;
use super::plan::{self, Plan};
use super::snapshot;
use super::submission::{IdempotencyKey, Outcome, Submission};
use crate::inventory::{Inventory, StreamState};

/// How far a lane's time may be ahead of the database's clock before somebody should look.
const CLOCK_AHEAD_MAX: chrono::TimeDelta = chrono::TimeDelta::seconds(5);

/// Why a request has to wait for the next batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deferral {
    /// Another instance is deciding a request with the same key.
    KeyBusy,
    /// It needs lanes that were not locked, which only showed under the locks.
    LanesMissing,
    /// Its events and those of the requests before it take more bytes than one transaction may have.
    BatchFull,
}

/// How each request of a batch ends, in the batch's order; nothing yet for one that has to wait for the
/// next batch.
pub(super) type Outcomes = Vec<Result<Outcome, Deferral>>;

/// What becomes true when a batch is committed.
#[derive(Debug)]
pub(super) struct Written {
    /// What was appended, in lane order within each lane.
    pub(super) events: Vec<Arc<RecordedEvent>>,
    /// The batch's time.
    pub(super) recorded_at: Timestamp,
    /// The states and clocks after the batch, and the streams whose states were kept.
    inventory: Inventory,
    clocks: HashMap<Lane, LaneClock>,
    kept: Vec<Stream>,
}

impl Written {
    /// What becomes true when what was decided is committed, and what is to be written for that, with
    /// the states that are worth keeping by now.
    pub(super) fn of(cache: &Cache, plan: &Plan, decided: Decided) -> (Self, Append, Reversals) {
        let Decided { inventory, places, events, mut append, reversals } = decided;
        metrics::histogram!("stockbook_writer_batch_events").record(events.len() as f64);
        let overdue = cache.overdue.among(|stream| plan.is_locked(stream));
        append.snapshots = snapshot::due(&events, overdue, &inventory);
        let written = Self {
            events,
            recorded_at: places.recorded_at(),
            inventory,
            clocks: places.heads().collect(),
            kept: append.snapshots.keys().cloned().collect(),
        };
        (written, append, reversals)
    }

    /// What is known of a stream after the batch, if the batch looked at it.
    pub(super) fn state(&self, stream: &Stream) -> Option<StreamState> {
        self.inventory.state(stream)
    }

    /// Where a lane ends after the batch, if the batch locks it.
    pub(super) fn clock(&self, lane: Lane) -> Option<LaneClock> {
        self.clocks.get(&lane).copied()
    }

    /// Makes the new states the cached ones; to be called after the commit and not before.
    pub(super) fn remember(&mut self, cache: &mut Cache) {
        for (lane, clock) in self.clocks.drain() {
            cache.set_clock(lane, clock);
        }
        cache.put_all(std::mem::take(&mut self.inventory));
        cache.overdue.kept(self.kept.iter());
        cache.foresight.recorded(self.recorded_at);
        metrics::counter!("stockbook_snapshots_saved_total").increment(self.kept.len() as u64);
    }
}

/// Runs the steps 1 to 5 of a batch inside a transaction that it opens and leaves open.
///
/// # Errors
/// Nothing was committed, and the connection must not be used again.
pub(super) async fn write(
    connection: &mut PgConnection,
    cache: &mut Cache,
    batch: &[&Submission],
    bytes_max: usize,
) -> Result<(Written, Outcomes), LoadError> {
    // Before the locks, so that they are held briefly: find out what is touched, fetch what is cold.
    let plan = Plan::of(connection, cache, batch, bytes_max).await?;
    load_cold(connection, cache, &plan).await?;

    // 1. Lock the keys and the lanes that the batch touches; under the locks, read heads and clock.
    let asked = Instant::now();
    let Locked { heads, clock, busy } = locks::take(connection, &plan).await?;
    cache.foresight.hear(asked, clock);

    // 2. In a later statement, so with a newer snapshot: stored outcomes.
    let keys: Vec<&IdempotencyKey> =
        plan.admitted(batch).filter_map(Submission::stored_key).collect();
    let known = outcomes::find(connection, &keys).await?;

    // 3. Bring the cache up to the heads, and the working set from the cache.
    for head in &heads {
        if load::catch_up(connection, cache, head).await? == CaughtUp::Forked {
            metrics::counter!("stockbook_writer_forks_total").increment(1);
            tracing::error!(
                lane = head.lane.0,
                position = head.clock.position.0,
                "the log is not the one this service knows: a failover or a restore? \
                 everything known of the lane is dropped"
            );
        }
    }
    let everywhere = load::stock_streams(connection, &plan.items_everywhere).await?;
    let streams = plan.all_streams().chain(&everywhere);
    let mut inventory = plan::states(connection, cache, streams).await?;
    past::bring(connection, &plan.reversals, &mut inventory).await?;

    // 4. Decide in the order of arrival.
    let recorded_at = lane_time(&heads, clock);
    let places = Places::new(heads.iter().map(|head| (head.lane, head.clock)), recorded_at);
    let mut deciding = Deciding::new(cache.lanes(), busy, known, inventory, places);
    let outcomes = deciding.decide_all(&plan, batch);
    let (written, append, reversals) = Written::of(cache, &plan, deciding.end());

    // 5. Write events and outcomes, and what is derived from the events.
    if !append.is_empty() {
        append.write(connection, recorded_at).await?;
    }
    reversals.save(connection).await?;
    Ok((written, outcomes))
}

async fn load_cold(
    connection: &mut PgConnection,
    cache: &mut Cache,
    plan: &Plan,
) -> Result<(), LoadError> {
    let missing: Vec<_> =
        plan.all_streams().filter(|stream| !cache.contains(stream)).cloned().collect();
    if !missing.is_empty() {
        load::cold(connection, cache, &missing).await?;
    }
    Ok(())
}

/// The time of the batch: the database's, but never before what its lanes already say.
fn lane_time(heads: &[Head], clock: Timestamp) -> Timestamp {
    let latest = heads.iter().filter_map(|head| head.recorded_at).max().unwrap_or(clock);
    if latest.to_utc() > clock.to_utc() + CLOCK_AHEAD_MAX {
        metrics::counter!("stockbook_writer_clock_behind_total").increment(1);
        tracing::error!(
            log = %latest, clock = %clock,
            "the database's clock is behind the log's time, which stands still until it has caught up"
        );
    }
    latest.max(clock)
}
