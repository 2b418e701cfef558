//! One transaction for many requests: steps 1 to 5 of six. The sixth, the commit and what follows
//! it, is the writer's.

use std::sync::Arc;

use shared_events::lane::Lane;
use shared_events::recorded::RecordedEvent;
use shared_events::time::Timestamp;
use sqlx::PgConnection;

use super::append::Places;
use super::cache::{Cache, LaneClock};
use super::deciding::{Decided, Deciding};
use super::load::{self, CaughtUp, Head, LoadError};
use super::locks::{self, Locked};
use super::outcomes;
use super::past;
use super::plan::{self, Admission, Plan};
use super::snapshot;
use super::submission::{IdempotencyKey, NotExecuted, Outcome, Submission};
use crate::inventory::Inventory;

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

/// A batch that is written but not committed: what becomes true with the commit.
#[derive(Debug)]
pub(super) struct Written {
    /// How each request of the batch ends, in the batch's order; nothing yet for one that has to wait
    /// for the next batch.
    pub(super) outcomes: Vec<Result<Outcome, Deferral>>,
    /// What was appended, in lane order within each lane.
    pub(super) events: Vec<Arc<RecordedEvent>>,
    /// The states and clocks after the batch.
    inventory: Inventory,
    clocks: Vec<(Lane, LaneClock)>,
}

impl Written {
    /// Makes the new states the cached ones; to be called after the commit and not before.
    pub(super) fn remember(&mut self, cache: &mut Cache) {
        for (lane, clock) in self.clocks.drain(..) {
            cache.set_clock(lane, clock);
        }
        cache.put_all(std::mem::take(&mut self.inventory));
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
) -> Result<Written, LoadError> {
    // Before the locks, so that they are held briefly: find out what is touched, fetch what is cold.
    let plan = Plan::of(connection, cache, batch, bytes_max).await?;
    load_cold(connection, cache, &plan).await?;

    // 1. Lock the keys and the lanes that the batch touches; under the locks, read heads and clock.
    let Locked { heads, clock, busy } = locks::take(connection, &plan).await?;

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
    let places = Places::new(&heads, recorded_at);
    let mut deciding = Deciding::new(cache, &plan, busy, known, inventory, places);
    let admitted = batch.iter().zip(&plan.admissions);
    let outcomes = admitted
        .map(|(submission, admission)| match admission {
            Admission::Now => deciding.decide(submission),
            Admission::Later => Err(Deferral::BatchFull),
            Admission::Never => {
                Ok(Outcome::NotExecuted(NotExecuted::TooLarge { limit: bytes_max }))
            }
        })
        .collect();

    // 5. Write events and outcomes, and what is derived from the events.
    let Decided { inventory, places, events, columns, unrecorded, deadlines, reversals } =
        deciding.end();
    metrics::histogram!("stockbook_writer_batch_events").record(columns.len() as f64);
    if columns.len() > 0 {
        columns.append(connection, recorded_at).await?;
        reversals.save(connection).await?;
        deadlines.save(connection).await?;
    }
    let overdue = cache.overdue.take(|stream| plan.is_locked(stream));
    let due = snapshot::due(&events, overdue, &inventory);
    snapshot::save(connection, due, recorded_at).await?;
    outcomes::save(connection, &unrecorded, recorded_at).await?;
    Ok(Written { outcomes, events, inventory, clocks: places.heads().collect() })
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
