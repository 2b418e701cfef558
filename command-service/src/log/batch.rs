//! One transaction for many requests: steps 1 to 5 of six. The sixth, the commit and what follows
//! it, is the writer's.

use std::collections::BTreeSet;

use shared_events::lane::{Lane, PositionToken};
use shared_events::recorded::RecordedEvent;
use shared_events::stream::Stream;
use shared_events::time::Timestamp;
use shared_events::values::Sku;
use sqlx::PgConnection;
use tokio::time::Instant;

use super::append::{Columns, Places};
use super::cache::{Cache, LaneClock};
use super::load::{self, CaughtUp, Head, LoadError};
use super::outcomes::{self, KnownOutcomes, Unrecorded};
use super::submission::{Decision, IdempotencyKey, NotExecuted, Outcome, Submission, Unchanged};
use crate::inventory::{Command, Inventory, decide};

/// How far a lane's time may be ahead of the database's clock before somebody should look.
const CLOCK_AHEAD_MAX: chrono::TimeDelta = chrono::TimeDelta::seconds(5);

/// What a batch will touch, known before anything is locked.
#[derive(Debug)]
struct Plan {
    /// The streams whose lanes are locked.
    streams: Vec<Stream>,
    /// The streams that are only looked at.
    locations: Vec<Stream>,
    /// The items whose stock is looked at wherever it is, in the items' own lanes.
    items_everywhere: Vec<Sku>,
    /// Ascending, as all writers lock them.
    lanes: Vec<Lane>,
    /// Ascending, as all writers lock them.
    key_locks: Vec<i64>,
}

impl Plan {
    fn of(batch: &[&Submission], cache: &Cache) -> Self {
        let commands = || batch.iter().map(|submission| &submission.request.command);
        let streams: BTreeSet<Stream> = commands().flat_map(|command| command.streams()).collect();
        let locations: BTreeSet<Stream> = commands()
            .flat_map(|command| command.locations())
            .map(Stream::Location)
            .filter(|location| !streams.contains(location))
            .collect();
        let lanes: BTreeSet<Lane> = streams.iter().map(|stream| cache.lane_of(stream)).collect();
        let key_locks: BTreeSet<i64> = keys(batch).map(outcomes::lock_number).collect();
        Self {
            streams: streams.into_iter().collect(),
            locations: locations.into_iter().collect(),
            items_everywhere: commands().filter_map(Command::item_everywhere).cloned().collect(),
            lanes: lanes.into_iter().collect(),
            key_locks: key_locks.into_iter().collect(),
        }
    }

    fn all_streams(&self) -> impl Iterator<Item = &Stream> {
        self.streams.iter().chain(&self.locations)
    }
}

fn keys<'a>(batch: &'a [&Submission]) -> impl Iterator<Item = &'a IdempotencyKey> {
    batch.iter().filter(|submission| !submission.validate_only).filter_map(|one| one.key.as_ref())
}

/// A batch that is written but not committed: what becomes true with the commit.
#[derive(Debug)]
pub(super) struct Written {
    /// How each request of the batch ends, in the batch's order.
    pub(super) outcomes: Vec<Outcome>,
    /// What was appended, in lane order within each lane.
    pub(super) events: Vec<RecordedEvent>,
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
) -> Result<Written, LoadError> {
    // Before the locks, so that they are held briefly: fetch what is cold.
    let plan = Plan::of(batch, cache);
    load_cold(connection, cache, &plan).await?;

    // 1. Lock the keys and the lanes that the batch touches.
    sqlx::raw_sql("begin isolation level read committed").execute(&mut *connection).await?;
    lock(connection, &plan).await?;

    // 2. In later statements, so with newer snapshots: heads, clock, stored outcomes.
    let (heads, clock) = load::heads(connection, &plan.lanes).await?;
    let keys: Vec<&IdempotencyKey> = keys(batch).collect();
    let known = outcomes::find(connection, &keys).await?;

    // 3. Bring the cache up to the heads.
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
    let inventory = working_set(connection, cache, &plan).await?;

    // 4. Decide in the order of arrival.
    let recorded_at = lane_time(&heads, clock);
    let mut deciding = Deciding {
        cache,
        known,
        inventory,
        places: Places::new(&heads, recorded_at),
        events: Vec::new(),
        columns: Columns::default(),
        unrecorded: Vec::new(),
    };
    let outcomes = batch.iter().map(|submission| deciding.decide(submission)).collect();

    // 5. Write events and outcomes.
    let Deciding { inventory, places, events, columns, unrecorded, .. } = deciding;
    metrics::histogram!("stockbook_writer_batch_events").record(columns.len() as f64);
    if columns.len() > 0 {
        columns.append(connection, recorded_at).await?;
    }
    outcomes::save(connection, &unrecorded, recorded_at).await?;
    Ok(Written { outcomes, events, inventory, clocks: places.heads().collect() })
}

async fn load_cold(
    connection: &mut PgConnection,
    cache: &mut Cache,
    plan: &Plan,
) -> Result<(), LoadError> {
    let missing: Vec<Stream> =
        plan.all_streams().filter(|stream| !cache.contains(stream)).cloned().collect();
    if !missing.is_empty() {
        load::cold(connection, cache, &missing).await?;
    }
    Ok(())
}

async fn lock(connection: &mut PgConnection, plan: &Plan) -> Result<(), LoadError> {
    let locked = sqlx::query(include_str!("../../queries/lock_lanes.sql"))
        .bind(&plan.key_locks)
        .bind(load::lane_numbers(&plan.lanes))
        .fetch_all(connection)
        .await?;
    if locked.len() == plan.lanes.len() {
        Ok(())
    } else {
        Err(LoadError::Database(sqlx::Error::RowNotFound))
    }
}

/// The states of everything the batch names: from the cache, or from the log where the cache has
/// let go of them.
async fn working_set(
    connection: &mut PgConnection,
    cache: &mut Cache,
    plan: &Plan,
) -> Result<Inventory, LoadError> {
    let mut inventory = Inventory::default();
    let mut missing = Vec::new();
    let everywhere = load::stock_streams(connection, &plan.items_everywhere).await?;
    for stream in plan.all_streams().chain(&everywhere) {
        match cache.get(stream) {
            Some(state) => inventory.insert(state.clone()),
            None => missing.push(stream.clone()),
        }
    }
    if !missing.is_empty() {
        for state in load::cold(connection, cache, &missing).await?.into_states() {
            inventory.insert(state);
        }
    }
    Ok(inventory)
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

/// The batch while its requests are decided one after another.
struct Deciding<'a> {
    cache: &'a Cache,
    known: KnownOutcomes,
    inventory: Inventory,
    places: Places,
    events: Vec<RecordedEvent>,
    columns: Columns,
    unrecorded: Vec<Unrecorded>,
}

impl Deciding<'_> {
    fn decide(&mut self, submission: &Submission) -> Outcome {
        // A key that was decided is answered from, however late: what was done is not called undone.
        let known = submission.key.as_ref().filter(|_| !submission.validate_only);
        if let Some(outcome) = known.and_then(|key| self.known.of(key)) {
            return outcome;
        }
        if submission.deadline <= Instant::now() {
            return Outcome::NotExecuted(NotExecuted::DeadlinePassed);
        }
        let decided =
            |this: &Self| decide(&this.inventory, &submission.request, this.places.recorded_at());
        if submission.validate_only {
            return match decided(self) {
                Ok(events) => Outcome::Valid(events),
                Err(rejection) => Outcome::Decided(Decision::Rejected(rejection)),
            };
        }
        let decision = match decided(self) {
            Err(rejection) => Decision::Rejected(rejection),
            Ok(events) if events.is_empty() => Decision::Unchanged(self.unchanged(submission)),
            Ok(events) => Decision::Accepted(self.record(submission, &events)),
        };
        if let Some(key) = &submission.key
            && outcomes::is_stored(&decision)
        {
            self.unrecorded.extend(Unrecorded::of(key, &decision));
            self.known.remember(key, decision.clone());
        }
        Outcome::Decided(decision)
    }

    /// Folds and places the events of an accepted command.
    fn record(
        &mut self,
        submission: &Submission,
        events: &[shared_events::event::Event],
    ) -> Vec<RecordedEvent> {
        let recorded: Vec<RecordedEvent> = events
            .iter()
            .map(|event| {
                let version = self.inventory.evolve(event);
                let lane = self.cache.lane_of(&event.stream());
                let occurred_at = submission.request.occurred_at;
                self.places.place(lane, event, version, occurred_at, &submission.origin)
            })
            .collect();
        self.columns.add(&recorded, submission.key.as_ref());
        self.events.extend(recorded.iter().cloned());
        recorded
    }

    fn unchanged(&self, submission: &Submission) -> Unchanged {
        let streams = submission.request.command.streams();
        let position: PositionToken = streams
            .iter()
            .map(|stream| self.cache.lane_of(stream))
            .map(|lane| (lane, self.places.head(lane).position))
            .collect();
        Unchanged {
            position,
            recorded_at: self.places.recorded_at(),
            correlation_id: submission.origin.correlation_id.clone(),
        }
    }
}
