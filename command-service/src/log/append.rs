//! The rows that a batch writes, and the two statements that write them: inside a transaction that
//! holds the locks, or as a whole transaction if the lane heads are the expected ones.

use std::collections::BTreeMap;
use std::sync::Arc;

use inventory::StreamState;
use shared_events::chain::data_hash;
use shared_events::event::About;
use shared_events::event::Event;
use shared_events::recorded::RecordedEvent;
use shared_events::reservation::ReservationStatus;
use shared_events::stream::Stream;
use shared_events::time::Timestamp;
use sqlx::types::chrono::{DateTime, Utc};
use sqlx::{PgConnection, Row};

use super::idempotency::{self, KnownOutcomes, StoredOutcome};
use super::row::{LaneHead, Statement, array, lane_number};
use super::snapshot;
use super::submission::{Decision, IdempotencyKey, Unchanged};

/// The deadline at which a reservation's hold expires.
pub(crate) const EXPIRE_RESERVATION: &str = "expire_reservation";

/// The deadline at which a transfer becomes overdue.
pub(crate) const OVERDUE_TRANSFER: &str = "overdue_transfer";

/// The deadline at which an order goes on.
pub(crate) const CONTINUE_ORDER: &str = "continue_order";

/// The rows that a batch writes.
#[derive(Debug, Default)]
pub(crate) struct Append {
    pub(crate) events: EventColumns,
    pub(crate) deadlines: Deadlines,
    /// The outcomes that have no event.
    pub(crate) outcomes: Vec<StoredOutcome>,
    pub(crate) snapshots: BTreeMap<Stream, StreamState>,
}

/// The conditions of an optimistic append.
#[derive(Debug)]
pub(crate) struct Expected {
    pub(crate) heads: Vec<LaneHead>,
    /// The keys that must not have an outcome, and their locks.
    pub(crate) keys: Vec<IdempotencyKey>,
    pub(crate) key_locks: Vec<i64>,
    /// When the first request of the batch was decided.
    pub(crate) decided_from: Timestamp,
}

impl Append {
    /// Writes inside a transaction that holds the locks.
    pub(crate) async fn write(
        self,
        connection: &mut PgConnection,
        decided_at: Timestamp,
    ) -> sqlx::Result<()> {
        let statement = sqlx::query(include_str!("../../queries/append_batch.sql"));
        self.bind(statement, decided_at).execute(connection).await?;
        Ok(())
    }

    /// Writes and commits if the conditions hold, and then returns the database's clock.
    pub(crate) async fn write_optimistically(
        self,
        connection: &mut PgConnection,
        expected: Expected,
        decided_at: Timestamp,
    ) -> sqlx::Result<Option<Timestamp>> {
        let Expected { heads, keys, key_locks, decided_from } = expected;
        let lanes: Vec<i16> = heads.iter().map(|head| lane_number(head.lane)).collect();
        let positions: Vec<i64> = heads.iter().map(|head| head.position.0).collect();
        let chains: Vec<Vec<u8>> = heads.iter().map(|head| head.chain.0.to_vec()).collect();
        let callers: Vec<String> = keys.iter().map(|key| key.caller.to_string()).collect();
        let keys: Vec<String> = keys.iter().map(|key| key.key.to_string()).collect();
        let statement = sqlx::query(include_str!("../../queries/append_optimistically.sql"))
            .bind(lanes)
            .bind(positions)
            .bind(chains)
            .bind(key_locks)
            .bind(callers)
            .bind(keys)
            .bind(decided_from.to_utc());
        let row = self.bind(statement, decided_at).fetch_one(connection).await?;
        Ok(row.try_get::<Option<DateTime<Utc>>, _>(0)?.map(Timestamp::new))
    }

    pub(crate) fn is_empty(&self) -> bool {
        let Self { events, deadlines, outcomes, snapshots } = self;
        events.lanes.is_empty()
            && deadlines.0.is_empty()
            && outcomes.is_empty()
            && snapshots.is_empty()
    }

    fn bind(self, statement: Statement, decided_at: Timestamp) -> Statement {
        let statement = statement.bind(decided_at.to_utc());
        let statement = self.events.bind(statement);
        let statement = self.deadlines.bind(statement);
        let statement = idempotency::bind(&self.outcomes, statement);
        snapshot::bind(self.snapshots, statement)
    }
}

/// Claims a key for work that takes more than one command, in the transaction that begins the work. A
/// later command with the same key gets the rejection "key reused". Returns whether the key was free.
pub(crate) async fn claim_key(
    connection: &mut PgConnection,
    key: &IdempotencyKey,
    unchanged: Unchanged,
) -> sqlx::Result<bool> {
    sqlx::query(include_str!("../../queries/lock_key.sql"))
        .bind(idempotency::lock_number(key))
        .execute(&mut *connection)
        .await?;
    if KnownOutcomes::find(connection, &[key]).await?.of(key).is_some() {
        return Ok(false);
    }
    let recorded_at = unchanged.recorded_at;
    let claimed = StoredOutcome::of(key, &Decision::Unchanged(unchanged));
    let claim = Append { outcomes: claimed.into_iter().collect(), ..Append::default() };
    claim.write(connection, recorded_at).await?;
    Ok(true)
}

/// The deadlines that a batch sets, or removes where the time is absent, with what is due.
#[derive(Debug, Default)]
pub(crate) struct Deadlines(BTreeMap<Stream, (&'static str, Option<Timestamp>)>);

impl Deadlines {
    pub(crate) fn add(&mut self, event: &Event) {
        let deadline = match event.about() {
            About::Reservation(step) => {
                let is_held = step.after.status == ReservationStatus::Held;
                (EXPIRE_RESERVATION, is_held.then_some(step.after.expires_at))
            }
            About::Transfer(step) => (OVERDUE_TRANSFER, step.after.due_at()),
            About::Order(step) => (CONTINUE_ORDER, step.after.due_at),
            About::Item(_) | About::RetiredItem(_) | About::Location(_) | About::Stock(_) => return,
        };
        self.0.insert(event.stream(), deadline);
    }

    fn bind(self, statement: Statement) -> Statement {
        let streams: Vec<String> = self.0.keys().map(Stream::to_string).collect();
        let (whats, times): (Vec<&str>, Vec<Option<DateTime<Utc>>>) =
            self.0.into_values().map(|(what, time)| (what, time.map(Timestamp::to_utc))).unzip();
        statement.bind(whats.join(",")).bind(streams).bind(times)
    }
}

/// Events as columns, so that one statement writes them all.
#[derive(Debug, Default)]
pub(crate) struct EventColumns {
    lanes: Vec<i16>,
    positions: Vec<i64>,
    streams: Vec<String>,
    versions: Vec<i64>,
    types: Vec<String>,
    schema_versions: Vec<i16>,
    occurred_at: Vec<DateTime<Utc>>,
    recorded_at: Vec<DateTime<Utc>>,
    actors: Vec<Option<String>>,
    correlation_ids: Vec<String>,
    causation_ids: Vec<Option<String>>,
    data: Vec<String>,
    data_hashes: Vec<Vec<u8>>,
    chains: Vec<Vec<u8>>,
    traceparents: Vec<Option<String>>,
    callers: Vec<Option<String>>,
    keys: Vec<Option<String>>,
    request_hashes: Vec<Option<Vec<u8>>>,
    command_lanes: Vec<Option<String>>,
    command_positions: Vec<Option<String>>,
    command_sizes: Vec<Option<String>>,
}

impl EventColumns {
    /// Adds the events of one command, or of several with the number of events of each. The first event
    /// carries the idempotency key and so becomes the stored outcome.
    pub(crate) fn add(
        &mut self,
        events: &[Arc<RecordedEvent>],
        sizes: Option<&[usize]>,
        key: Option<&IdempotencyKey>,
    ) {
        let sizes = sizes.map(array);
        for (nth, event) in events.iter().enumerate() {
            let key = key.filter(|_| nth == 0);
            let is_list = key.is_some() && events.len() > 1;
            self.lanes.push(lane_number(event.lane));
            self.positions.push(event.position.0);
            self.streams.push(event.stream.to_string());
            self.versions.push(event.version.0);
            self.types.push(event.event_type.clone());
            self.schema_versions.push(event.schema_version);
            self.occurred_at.push(event.occurred_at.to_utc());
            self.recorded_at.push(event.recorded_at.to_utc());
            self.actors.push(event.actor.as_ref().map(ToString::to_string));
            self.correlation_ids.push(event.correlation_id.to_string());
            self.causation_ids.push(event.causation_id.as_ref().map(ToString::to_string));
            self.data_hashes.push(data_hash(event.data.get()).to_vec());
            self.data.push(event.data.get().to_owned());
            self.chains.push(event.chain.0.to_vec());
            self.traceparents.push(event.traceparent.as_ref().map(ToString::to_string));
            self.callers.push(key.map(|key| key.caller.to_string()));
            self.keys.push(key.map(|key| key.key.to_string()));
            self.request_hashes.push(key.map(|key| key.request_hash.to_vec()));
            let lanes = || array(events.iter().map(|event| event.lane));
            let positions = || array(events.iter().map(|event| event.position));
            self.command_lanes.push(is_list.then(lanes));
            self.command_positions.push(is_list.then(positions));
            self.command_sizes.push(key.and_then(|_| sizes.clone()));
        }
    }

    fn bind(self, statement: Statement) -> Statement {
        statement
            .bind(self.lanes)
            .bind(self.positions)
            .bind(self.streams)
            .bind(self.versions)
            .bind(self.types)
            .bind(self.schema_versions)
            .bind(self.occurred_at)
            .bind(self.recorded_at)
            .bind(or_empty(self.actors))
            .bind(self.correlation_ids)
            .bind(or_empty(self.causation_ids))
            .bind(self.data)
            .bind(self.data_hashes)
            .bind(self.chains)
            .bind(or_empty(self.traceparents))
            .bind(or_empty(self.callers))
            .bind(or_empty(self.keys))
            .bind(or_empty(self.request_hashes))
            .bind(or_empty(self.command_lanes))
            .bind(or_empty(self.command_positions))
            .bind(or_empty(self.command_sizes))
    }
}

/// Sends a column of nulls as an empty array, which `unnest` fills up with nulls.
fn or_empty<T>(column: Vec<Option<T>>) -> Vec<Option<T>> {
    if column.iter().any(Option::is_some) { column } else { Vec::new() }
}
