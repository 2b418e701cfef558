//! What is read from the log before a batch is decided: all that memory lacks, and after a conflict what
//! other writers did.

use std::collections::BTreeSet;
use std::time::Duration;

use inventory::Inventory;
use shared_events::lane::Lane;
use shared_events::stream::Stream;
use shared_events::time::Timestamp;
use sqlx::types::chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, PgConnection, Row};
use tokio::time::Instant;

use super::cache::Memory;
use super::catch_up;
use super::plan::Plan;
use crate::log::idempotency::{self, KnownOutcomes};
use crate::log::load::{self, LoadError};
use crate::log::reversal;
use crate::log::row::{LaneHead, array, lane_number};
use crate::log::submission::{IdempotencyKey, Submission};
use crate::metrics;

/// Raise the alarm if the lane's last time is more than this ahead of the database's clock.
const CLOCK_AHEAD_MAX: Duration = Duration::from_secs(5);

/// How the next batch is prepared.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Preparation {
    /// Wait for the locks of the lanes first, in a transaction that the append ends.
    pub(crate) hold: bool,
    /// Read the outcomes of the keys.
    pub(crate) keys: bool,
}

/// What was read for the next batch.
#[derive(Debug, Default)]
pub(crate) struct Prepared {
    pub(crate) inventory: Inventory,
    pub(crate) known: KnownOutcomes,
    /// The events that reversals name, and the items whose stock at every location is in the inventory.
    pub(crate) plan: Plan,
    /// The lanes that the open transaction holds, if there is one.
    pub(crate) held: Option<Held>,
}

/// Another instance holds these locks of keys, so nothing else was read.
#[derive(Debug)]
pub(crate) struct KeysBusy(pub(crate) Vec<i64>);

/// The lanes that a transaction has locked.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) lanes: BTreeSet<Lane>,
    /// The time for events decided under these locks.
    pub(crate) recorded_at: Timestamp,
}

impl Prepared {
    /// Reads what decides the first of these requests.
    pub(crate) async fn read<'a>(
        connection: &mut PgConnection,
        memory: &mut Memory,
        requests: impl Iterator<Item = &'a Submission> + Clone,
        preparation: Preparation,
        bytes_max: usize,
    ) -> Result<Result<Self, KeysBusy>, LoadError> {
        // 1. Find the streams, and load missing ones before any lock, to hold the locks briefly.
        let plan = Plan::of(connection, memory, requests.clone(), bytes_max).await?;
        let missing = plan.all_streams().filter(|stream| !memory.cache.contains(stream));
        let missing: Vec<Stream> = missing.cloned().collect();
        let lanes = plan.lanes(&memory.cache.lanes());
        catch_up::learn_heads(connection, memory, &lanes).await?;
        if !missing.is_empty() {
            catch_up::load_missing(connection, memory, &missing).await?;
        }

        // 2. Wait for the lanes, and bring the cache up to their heads.
        let keys: Vec<&IdempotencyKey> = requests.filter_map(Submission::stored_key).collect();
        let held = match preparation.hold {
            true => match Held::take(connection, memory, &keys, lanes).await? {
                Ok(held) => Some(held),
                Err(busy) => return Ok(Err(busy)),
            },
            false => None,
        };

        // 3. Read the outcomes of keys, and copy the working set from the cache.
        let known = match preparation.keys {
            true => KnownOutcomes::find(connection, &keys).await?,
            false => KnownOutcomes::default(),
        };
        let everywhere = load::stock_streams(connection, &plan.items_everywhere).await?;
        let streams = plan.all_streams().chain(&everywhere);
        let mut inventory = catch_up::states(connection, memory, streams).await?;
        reversal::insert_targets(connection, &plan.selections, &mut inventory).await?;
        Ok(Ok(Self { inventory, known, plan: plan.without_requests(), held }))
    }
}

impl Held {
    /// Begins a transaction that holds the lanes, and catches up with them. If another instance holds keys,
    /// waits for nothing.
    async fn take(
        connection: &mut PgConnection,
        memory: &mut Memory,
        keys: &[&IdempotencyKey],
        lanes: BTreeSet<Lane>,
    ) -> Result<Result<Self, KeysBusy>, LoadError> {
        // One round trip: two statements that contain only integers, sent together.
        let locks = array(keys.iter().map(|key| idempotency::lock_number(key)));
        let numbers = array(lanes.iter().copied().map(lane_number));
        let statements = format!(
            "begin isolation level read committed; select * from hold_lanes('{locks}', '{numbers}')"
        );
        let asked = Instant::now();
        let rows = sqlx::raw_sql(AssertSqlSafe(statements)).fetch_all(&mut *connection).await?;
        let first = rows.first().ok_or(sqlx::Error::RowNotFound)?;
        let clock = Timestamp::new(first.try_get::<DateTime<Utc>, _>("now")?);
        memory.policy.observe_clock(asked, clock);
        let busy: Vec<i64> = first.try_get("busy")?;
        if !busy.is_empty() {
            sqlx::raw_sql("rollback").execute(connection).await?;
            return Ok(Err(KeysBusy(busy)));
        }
        let heads: Vec<LaneHead> =
            rows.iter().filter_map(LaneHead::found).collect::<sqlx::Result<_>>()?;
        for head in catch_up::catch_up(connection, &mut memory.cache, &heads).await? {
            metrics::forked();
            tracing::error!(
                lane = head.lane.0,
                position = head.position.0,
                "the log has changed since this service read it, as after a failover or a restore; \
                 dropping the cached states of the lane"
            );
        }
        Ok(Ok(Self { lanes, recorded_at: batch_time(&heads, clock) }))
    }
}

/// The time of the batch: the database's clock, but never before the last time in its lanes.
pub(crate) fn batch_time(heads: &[LaneHead], clock: Timestamp) -> Timestamp {
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
