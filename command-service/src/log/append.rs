//! The rows that a batch writes, and the statement that writes them if the log is as the batch expects.

use std::collections::BTreeMap;
use std::sync::Arc;

use shared_events::chain::data_hash;
use shared_events::event::About;
use shared_events::event::Event;
use shared_events::lane::EventId;
use shared_events::recorded::RecordedEvent;
use shared_events::stream::Stream;
use shared_events::time::Timestamp;
use shared_events::values::{Label, ReservationId};
use sqlx::types::chrono::{DateTime, Utc};
use sqlx::{PgConnection, Row, Type};

use super::idempotency::{self, KnownOutcomes, StoredOutcome};
use super::row::{LaneHead, lane_number};
use super::submission::{Decision, IdempotencyKey, Unchanged};
use crate::personal::SubjectKey;

/// The deadline at which a reservation's hold, or its waiting, ends.
pub(crate) const EXPIRE_RESERVATION: &str = "expire_reservation";

/// The deadline at which a transfer becomes overdue.
pub(crate) const OVERDUE_TRANSFER: &str = "overdue_transfer";

/// The deadline at which an order goes on.
pub(crate) const CONTINUE_ORDER: &str = "continue_order";

/// The deadline, passed at once, at which a reservation follows the fills of what it waits for.
pub(crate) const FOLLOW_WAITLIST: &str = "follow_waitlist";

/// The deadline, passed at once, at which the queue of a stock is filled further.
pub(crate) const FILL_WAITLIST: &str = "fill_waitlist";

/// The rows that a batch writes.
#[derive(Debug, Default)]
pub(crate) struct Append {
    pub(crate) events: Vec<NewEvent>,
    pub(crate) columns: OptionalColumns,
    /// The keys that sealed personal data of the events.
    pub(crate) subject_keys: Vec<Arc<SubjectKey>>,
    pub(crate) deadlines: Deadlines,
    /// The outcomes that have no event.
    pub(crate) outcomes: Vec<StoredOutcome>,
    pub(crate) reversals: Vec<NewReversal>,
}

/// What stands next to the rows of events, one of each for each event; nothing where no event has it.
#[derive(Debug, Default)]
pub(crate) struct OptionalColumns {
    credentials: Vec<Option<String>>,
    subjects: Vec<Option<String>>,
    boxes: Vec<Option<String>>,
}

impl OptionalColumns {
    pub(crate) fn of(events: &[Arc<RecordedEvent>]) -> Self {
        let column = |of: fn(&RecordedEvent) -> Option<&str>| {
            if events.iter().all(|event| of(event).is_none()) {
                return Vec::new();
            }
            events.iter().map(|event| of(event).map(str::to_owned)).collect()
        };
        Self {
            credentials: column(|event| event.caller.as_ref().map(Label::as_str)),
            subjects: column(|event| Some(event.personal.as_ref()?.subject.as_str())),
            boxes: column(|event| Some(&event.personal.as_ref()?.sealed)),
        }
    }
}

/// The conditions of an append.
#[derive(Debug, Default)]
pub(crate) struct Expected {
    /// The lanes that decided the batch.
    pub(crate) heads: Vec<LaneHead>,
    /// The keys that must not have an outcome.
    pub(crate) keys: Vec<IdempotencyKey>,
    /// The first and the last time at which the batch was decided; none if its lanes were locked before.
    pub(crate) times: Option<(Timestamp, Timestamp)>,
    /// Whether the connection is in a transaction, which holds the lanes.
    pub(crate) in_transaction: bool,
}

/// What became of an append that the database answered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Appended {
    /// The rows are written. `clock` is the database's, under the locks.
    Written {
        clock: Timestamp,
    },
    Conflict(Conflict),
}

/// Why nothing was written.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Conflict {
    /// Another writer holds or has changed a lane, or the batch's times are too far off the clock.
    Lanes,
    /// Another transaction holds these locks of keys.
    KeysBusy(Vec<i64>),
    /// A key has an outcome.
    KeyUsed,
    /// The log has another event at a version that follows on the expected heads.
    Versions,
    /// Personal data was sealed with a key that does not hold any more.
    Sealing,
}

impl Append {
    /// Writes the rows if the conditions hold. A whole transaction, unless the connection is in one.
    pub(crate) async fn write(
        self,
        connection: &mut PgConnection,
        expected: Expected,
    ) -> sqlx::Result<Appended> {
        let Expected { heads, keys, times, .. } = expected;
        let Self { events, columns, deadlines, outcomes, reversals, .. } = self;
        let (first, last) = times.unzip();
        let (written, read): (Vec<ExpectedHead>, Vec<ExpectedHead>) = heads
            .iter()
            .map(ExpectedHead::of)
            .partition(|head| events.iter().any(|event| event.lane == head.lane));
        let keys: Vec<KeyClaim> = keys.iter().map(KeyClaim::of).collect();
        let written = sqlx::query(include_str!("../../queries/append.sql"))
            .bind(written)
            .bind(keys)
            .bind(first.map(Timestamp::to_utc))
            .bind(last.map(Timestamp::to_utc))
            .bind(events)
            .bind(deadlines.into_rows())
            .bind(outcomes)
            .bind(reversals)
            .bind(read)
            .bind(columns.credentials)
            .bind(columns.subjects)
            .bind(columns.boxes)
            .fetch_one(connection)
            .await;
        match written {
            Ok(row) => Self::verdict(&row),
            Err(error) => Conflict::of(&error).map(Appended::Conflict).ok_or(error),
        }
    }

    fn verdict(row: &sqlx::postgres::PgRow) -> sqlx::Result<Appended> {
        let conflict = match row.try_get::<Option<&str>, _>("conflict")? {
            None => {
                let clock = Timestamp::new(row.try_get::<DateTime<Utc>, _>("clock")?);
                return Ok(Appended::Written { clock });
            }
            Some("key_used") => Conflict::KeyUsed,
            Some("key_busy") => Conflict::KeysBusy(row.try_get("busy")?),
            Some(_) => Conflict::Lanes,
        };
        Ok(Appended::Conflict(conflict))
    }
}

impl Conflict {
    /// The conflict that an error means, because rows of another writer were newer than the statement.
    fn of(error: &sqlx::Error) -> Option<Self> {
        let error = error.as_database_error()?;
        match (error.code().as_deref(), error.constraint()) {
            (Some("23505"), Some("events_pkey" | "reversals_pkey")) => Some(Self::Lanes),
            (Some("23505"), Some("events_idempotency_key" | "commands_pkey")) => {
                Some(Self::KeyUsed)
            }
            (Some("23505"), Some("events_stream_version")) => Some(Self::Versions),
            // A deadlock.
            (Some("40P01"), _) => Some(Self::Lanes),
            _ => None,
        }
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
    if let Some(outcome) = StoredOutcome::of(key, &Decision::Unchanged(unchanged), recorded_at) {
        outcome.insert(connection).await?;
    }
    Ok(true)
}

#[derive(Debug, Type)]
#[sqlx(type_name = "lane_head")]
struct ExpectedHead {
    lane: i16,
    position: i64,
    chain: [u8; 32],
}

impl ExpectedHead {
    fn of(head: &LaneHead) -> Self {
        Self { lane: lane_number(head.lane), position: head.position.0, chain: head.chain.0 }
    }
}

#[derive(Debug, Type)]
#[sqlx(type_name = "key_claim")]
struct KeyClaim {
    lock: i64,
    caller: String,
    key: String,
}

impl KeyClaim {
    fn of(key: &IdempotencyKey) -> Self {
        Self {
            lock: idempotency::lock_number(key),
            caller: key.caller.to_string(),
            key: key.key.to_string(),
        }
    }
}

/// The deadlines that a batch sets, or removes where the time is absent, with what is due.
#[derive(Debug, Default)]
pub(crate) struct Deadlines {
    due: BTreeMap<(Stream, &'static str), Option<Timestamp>>,
    /// Reservations that were filled since this was asked for.
    filled: Vec<ReservationId>,
}

impl Deadlines {
    pub(crate) fn add(&mut self, event: &Event) {
        match event.about() {
            About::Reservation(step) => {
                self.set(event.stream(), EXPIRE_RESERVATION, step.after.ends_at());
                // A step of a reservation knows all fills before it.
                if step.after.wait_until.is_some() {
                    self.set(event.stream(), FOLLOW_WAITLIST, None);
                }
            }
            About::Transfer(step) => {
                self.set(event.stream(), OVERDUE_TRANSFER, step.after.due_at());
            }
            About::Order(step) => self.set(event.stream(), CONTINUE_ORDER, step.after.due_at),
            About::Stock(_) => self.add_waiting(event),
            About::Item(_)
            | About::RetiredItem(_)
            | About::Location(_)
            | About::Subject(_)
            | About::Redaction(_) => {}
        }
    }

    /// What an event about those who wait for stock asks for, in its own transaction: so no fill is lost.
    fn add_waiting(&mut self, event: &Event) {
        let more_due_at = match event {
            Event::StockWaitlistFilled(filled) => {
                self.filled.push(filled.reservation.clone());
                let reservation = Stream::Reservation(filled.reservation.clone());
                self.set(reservation, FOLLOW_WAITLIST, Some(filled.filled_at));
                filled.more_due_at
            }
            Event::StockWaitlistLeft(left) => left.more_due_at,
            _ => return,
        };
        self.set(event.stream(), FILL_WAITLIST, more_due_at);
    }

    fn set(&mut self, stream: Stream, what: &'static str, due_at: Option<Timestamp>) {
        self.due.insert((stream, what), due_at);
    }

    /// The reservations that were filled since the last call.
    pub(crate) fn take_filled(&mut self) -> Vec<ReservationId> {
        std::mem::take(&mut self.filled)
    }

    fn into_rows(self) -> Vec<NewDeadline> {
        let row = |((stream, what), due_at): ((Stream, &'static str), Option<Timestamp>)| {
            let due_at = due_at.map(Timestamp::to_utc);
            NewDeadline { stream: stream.to_string(), what: what.to_owned(), due_at }
        };
        self.due.into_iter().map(row).collect()
    }
}

#[derive(Debug, Type)]
#[sqlx(type_name = "new_deadline")]
struct NewDeadline {
    stream: String,
    what: String,
    due_at: Option<DateTime<Utc>>,
}

/// The mark that an event is reversed.
#[derive(Debug, Type)]
#[sqlx(type_name = "new_reversal")]
pub(crate) struct NewReversal {
    lane: i16,
    position: i64,
    by_lane: i16,
    by_position: i64,
    reversal: String,
}

impl NewReversal {
    /// The mark for the event that `by` reverses, if it reverses one.
    pub(crate) fn of(event: &Event, by: EventId) -> Option<Self> {
        let Event::StockReversed(reversed) = event else {
            return None;
        };
        Some(Self {
            lane: lane_number(reversed.reverses.0),
            position: reversed.reverses.1.0,
            by_lane: lane_number(by.0),
            by_position: by.1.0,
            reversal: reversed.reversal.to_string(),
        })
    }
}

/// A row of the log.
#[derive(Debug, Type)]
#[sqlx(type_name = "new_event")]
pub(crate) struct NewEvent {
    lane: i16,
    position: i64,
    stream: String,
    version: i64,
    r#type: String,
    schema_version: i16,
    occurred_at: DateTime<Utc>,
    recorded_at: DateTime<Utc>,
    actor: Option<String>,
    correlation_id: String,
    causation_id: Option<String>,
    data: String,
    data_hash: [u8; 32],
    chain: [u8; 32],
    traceparent: Option<String>,
    caller: Option<String>,
    idempotency_key: Option<String>,
    request_hash: Option<Vec<u8>>,
    command_lanes: Option<Vec<i16>>,
    command_positions: Option<Vec<i64>>,
    command_sizes: Option<Vec<i32>>,
}

impl NewEvent {
    fn of(event: &RecordedEvent) -> Self {
        Self {
            lane: lane_number(event.lane),
            position: event.position.0,
            stream: event.stream.to_string(),
            version: event.version.0,
            r#type: event.event_type.clone(),
            schema_version: event.schema_version,
            occurred_at: event.occurred_at.to_utc(),
            recorded_at: event.recorded_at.to_utc(),
            actor: event.actor.as_ref().map(ToString::to_string),
            correlation_id: event.correlation_id.to_string(),
            causation_id: event.causation_id.as_ref().map(ToString::to_string),
            data: event.data.get().to_owned(),
            data_hash: data_hash(event.data.get()),
            chain: event.chain.0,
            traceparent: event.traceparent.as_ref().map(ToString::to_string),
            caller: None,
            idempotency_key: None,
            request_hash: None,
            command_lanes: None,
            command_positions: None,
            command_sizes: None,
        }
    }

    /// The rows of one command, or of several with the number of events of each. The first event carries
    /// the idempotency key and so becomes the stored outcome.
    pub(crate) fn of_command(
        events: &[Arc<RecordedEvent>],
        sizes: Option<&[usize]>,
        key: Option<&IdempotencyKey>,
    ) -> Vec<Self> {
        let mut rows: Vec<Self> = events.iter().map(|event| Self::of(event)).collect();
        if let (Some(first), Some(key)) = (rows.first_mut(), key) {
            first.caller = Some(key.caller.to_string());
            first.idempotency_key = Some(key.key.to_string());
            first.request_hash = Some(key.request_hash.stored());
            if events.len() > 1 {
                first.command_lanes =
                    Some(events.iter().map(|event| lane_number(event.lane)).collect());
                first.command_positions =
                    Some(events.iter().map(|event| event.position.0).collect());
            }
            let size = |size: &usize| i32::try_from(*size).expect("a batch has few events");
            first.command_sizes = sizes.map(|sizes| sizes.iter().map(size).collect());
        }
        rows
    }
}
