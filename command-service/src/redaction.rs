//! Redaction: takes bytes out of recorded events for good, and records what was left (decision 39).
//!
//! One transaction holds the lanes of the events, as an append does, records an `EventsRedacted` in each, and has
//! the database do what these say. Every writer meets them when it catches up, and drops what it had cached of the
//! lane. What an event holds decides, so no state is folded.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use shared_events::chain::Hash;
use shared_events::event::{Event, EventsRedacted, RedactedEvent};
use shared_events::lane::{EventId, Lane, PositionToken, Version};
use shared_events::recorded::RecordedEvent;
use shared_events::redaction::RedactedMember;
use shared_events::stream::Stream;
use shared_events::time::Timestamp;
use shared_events::values::Code;
use sqlx::postgres::{PgConnection, PgPool, PgPoolOptions, PgRow};
use sqlx::types::chrono::{DateTime, Utc};
use sqlx::{Connection, Row};

use crate::config::DatabaseUrl;
use crate::inventory::Rejection;
use crate::log::append::{Append, Appended, Expected, NewEvent, OptionalColumns};
use crate::log::idempotency::{self, KnownOutcomes, StoredOutcome};
use crate::log::read::ReadError;
use crate::log::row::{self, LaneHead, lane_number, lanes_and_positions};
use crate::log::submission::{Decision, IdempotencyKey, NotExecuted, Origin, Outcome, Unchanged};
use crate::log::writer::sequencer::Sequencer;

/// Events that one request may name.
pub(crate) const EVENTS_MAX: usize = 1_000;

/// Other events that still hold what was removed, in one answer.
const ELSEWHERE_MAX: i64 = 10_000;

const CONNECTIONS_MAX: u32 = 2;

const ACQUIRE_MAX: Duration = Duration::from_secs(5);

/// The lanes are held for as long as the longest transaction of a writer at most.
const SETTINGS: [(&str, &str); 5] = [
    ("synchronous_commit", "on"),
    ("idle_in_transaction_session_timeout", "5s"),
    ("lock_timeout", "8s"),
    ("statement_timeout", "10s"),
    ("transaction_timeout", "15s"),
];

/// What is to be removed.
#[derive(Debug, Clone)]
pub struct Redaction {
    pub events: BTreeSet<EventId>,
    pub members: BTreeSet<RedactedMember>,
    pub reason: Code,
}

/// A request to remove it.
#[derive(Debug)]
pub struct RedactionRequest {
    pub redaction: Redaction,
    pub origin: Origin,
    pub key: Option<IdempotencyKey>,
    /// Only decide.
    pub validate_only: bool,
}

/// What an event holds of the members to remove.
#[derive(Debug)]
struct Target {
    id: EventId,
    members: BTreeSet<RedactedMember>,
    hash_before: Hash,
    hash_after: Hash,
}

/// What a transaction that holds lanes knows of them.
struct Held {
    /// Whether another transaction holds the key.
    is_key_busy: bool,
    heads: Vec<LaneHead>,
    clock: Timestamp,
}

/// Redacts events. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Redactor {
    pool: PgPool,
}

impl Redactor {
    /// Does not connect yet. To be called inside a runtime.
    pub fn new(database: &DatabaseUrl) -> Self {
        let name = "command-service redactions";
        let options = database.options().application_name(name).options(SETTINGS);
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS_MAX)
            .acquire_timeout(ACQUIRE_MAX)
            .connect_lazy_with(options);
        Self { pool }
    }

    /// Removes bytes and records it, all or nothing. Dropping the future cancels nothing.
    pub async fn redact(&self, request: RedactionRequest) -> Outcome {
        // In its own task, so that no transaction is left open when the client disconnects.
        let this = self.clone();
        let done = tokio::spawn(async move { this.execute(request).await }).await;
        match done {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(error)) => {
                tracing::warn!(%error, "a redaction failed before its commit; nothing was removed or recorded");
                Outcome::NotExecuted(NotExecuted::DatabaseUnavailable)
            }
            Err(error) => {
                tracing::error!(%error, "a redaction ended unexpectedly; its outcome is unknown");
                Outcome::Unknown
            }
        }
    }

    /// Other events of the same commands that hold one of the members now.
    pub async fn held_elsewhere(&self, redaction: &Redaction) -> Result<Vec<EventId>, ReadError> {
        let (lanes, positions) = lanes_and_positions(redaction.events.iter().copied());
        let rows = sqlx::query(include_str!("../queries/list_held_elsewhere.sql"))
            .bind(lanes)
            .bind(positions)
            .bind(redaction.names())
            .bind(ELSEWHERE_MAX)
            .fetch_all(&self.pool)
            .await?;
        let ids = rows.iter().map(|row| row::event_id(row, "lane", "position"));
        Ok(ids.collect::<sqlx::Result<_>>()?)
    }

    async fn execute(&self, request: RedactionRequest) -> sqlx::Result<Outcome> {
        let RedactionRequest { redaction, origin, key, validate_only } = request;
        let key = key.filter(|_| !validate_only);
        let lanes: BTreeSet<Lane> = redaction.events.iter().map(|EventId(lane, _)| *lane).collect();
        let mut connection = self.pool.acquire().await?;
        let mut transaction = connection.begin().await?;
        // 1. Hold the lanes, and look whether the request was executed before.
        let lanes = if validate_only { BTreeSet::new() } else { lanes };
        let held = hold(&mut transaction, key.as_ref(), &lanes).await?;
        if held.is_key_busy {
            return Ok(Outcome::InProgress);
        }
        if let Some(key) = &key
            && let Some(outcome) = KnownOutcomes::find(&mut transaction, &[key]).await?.of(key)
        {
            return Ok(outcome);
        }
        // 2. Decide on what the events hold.
        let targets = targets(&mut transaction, &redaction).await?;
        let events = match decide(&redaction, targets) {
            Ok(events) if validate_only => return Ok(Outcome::Valid(events)),
            Ok(events) => events,
            Err(rejection) => {
                let decision = Decision::Rejected(rejection);
                return store(transaction, key.as_ref(), decision, held.clock).await;
            }
        };
        if events.is_empty() {
            let position = held.heads.iter().map(|head| (head.lane, head.position)).collect();
            let unchanged = unchanged(position, held.clock, &origin);
            return store(transaction, key.as_ref(), Decision::Unchanged(unchanged), held.clock)
                .await;
        }
        // 3. Record them, and do what they say.
        let recorded = record(&mut transaction, held, &events, &origin, key.as_ref()).await?;
        let Some(recorded) = recorded else {
            return Ok(Outcome::NotExecuted(NotExecuted::DatabaseUnavailable));
        };
        let (lanes, positions) = lanes_and_positions(recorded.iter().map(|event| event.id()));
        sqlx::query(include_str!("../queries/redact_events.sql"))
            .bind(lanes)
            .bind(positions)
            .execute(&mut *transaction)
            .await?;
        if let Err(error) = transaction.commit().await {
            tracing::error!(%error, "the commit of a redaction was not answered, so its outcome is unknown");
            return Ok(Outcome::Unknown);
        }
        Ok(Outcome::Decided(Decision::Accepted(recorded)))
    }
}

impl Redaction {
    fn names(&self) -> Vec<&'static str> {
        self.members.iter().map(|member| member.as_str()).collect()
    }
}

/// What is recorded: one event for each lane with an event that holds something to remove. Pure.
fn decide(redaction: &Redaction, targets: Vec<Target>) -> Result<Vec<Event>, Rejection> {
    let found: BTreeSet<EventId> = targets.iter().map(|target| target.id).collect();
    if let Some(unknown) = redaction.events.difference(&found).next() {
        return Err(Rejection::UnknownEvent { id: unknown.to_string() });
    }
    let mut events: Vec<EventsRedacted> = Vec::new();
    for target in targets.into_iter().filter(|target| !target.members.is_empty()) {
        let Target { id, members, hash_before, hash_after } = target;
        let one = RedactedEvent { id, members, hash_before, hash_after };
        match events.last_mut().filter(|last| last.lane == id.0) {
            Some(last) => last.events.push(one),
            None => {
                let (lane, reason) = (id.0, redaction.reason.clone());
                events.push(EventsRedacted { lane, reason, events: vec![one] });
            }
        }
    }
    Ok(events.into_iter().map(Event::EventsRedacted).collect())
}

async fn hold(
    connection: &mut PgConnection,
    key: Option<&IdempotencyKey>,
    lanes: &BTreeSet<Lane>,
) -> sqlx::Result<Held> {
    let locks: Vec<i64> = key.into_iter().map(idempotency::lock_number).collect();
    let lanes: Vec<i16> = lanes.iter().copied().map(lane_number).collect();
    let rows = sqlx::query(include_str!("../queries/hold_lanes.sql"))
        .bind(locks)
        .bind(lanes)
        .fetch_all(connection)
        .await?;
    let first = rows.first().ok_or(sqlx::Error::RowNotFound)?;
    Ok(Held {
        is_key_busy: !first.try_get::<Vec<i64>, _>("busy")?.is_empty(),
        clock: Timestamp::new(first.try_get::<DateTime<Utc>, _>("now")?),
        heads: rows.iter().filter_map(LaneHead::found).collect::<sqlx::Result<_>>()?,
    })
}

/// The events, in the order of their places.
async fn targets(
    connection: &mut PgConnection,
    redaction: &Redaction,
) -> sqlx::Result<Vec<Target>> {
    let (lanes, positions) = lanes_and_positions(redaction.events.iter().copied());
    let rows = sqlx::query(include_str!("../queries/find_redaction_targets.sql"))
        .bind(lanes)
        .bind(positions)
        .bind(redaction.names())
        .fetch_all(connection)
        .await?;
    rows.iter().map(target).collect()
}

fn target(row: &PgRow) -> sqlx::Result<Target> {
    let names: Vec<String> = row.try_get("members")?;
    let members = names.iter().map(|name| name.parse()).collect::<Result<_, _>>();
    Ok(Target {
        id: row::event_id(row, "lane", "position")?,
        members: members.map_err(|error| sqlx::Error::Decode(Box::new(error)))?,
        hash_before: row.try_get("hash_before").map(Hash)?,
        hash_after: row.try_get("hash_after").map(Hash)?,
    })
}

fn unchanged(position: PositionToken, recorded_at: Timestamp, origin: &Origin) -> Unchanged {
    let correlation_id = origin.correlation_id.clone();
    Unchanged { position, recorded_at, correlation_id, reservation: None }
}

/// Ends a transaction with a decision that has no events.
async fn store(
    mut transaction: sqlx::Transaction<'_, sqlx::Postgres>,
    key: Option<&IdempotencyKey>,
    decision: Decision,
    recorded_at: Timestamp,
) -> sqlx::Result<Outcome> {
    if let Some(row) = key.and_then(|key| StoredOutcome::of(key, &decision, recorded_at)) {
        row.insert(&mut transaction).await?;
        if transaction.commit().await.is_err() {
            return Ok(Outcome::Unknown);
        }
    }
    Ok(Outcome::Decided(decision))
}

/// Appends the events under the locks of their lanes; none if the log is not as these say.
async fn record(
    connection: &mut PgConnection,
    held: Held,
    events: &[Event],
    origin: &Origin,
    key: Option<&IdempotencyKey>,
) -> sqlx::Result<Option<Vec<Arc<RecordedEvent>>>> {
    let mut sequencer = Sequencer::new(held.clock);
    for head in &held.heads {
        sequencer.add_lane(*head);
    }
    let at = sequencer.recorded_at();
    let versions = versions(connection, events).await?;
    let mut recorded = Vec::new();
    for (event, version) in events.iter().zip(versions) {
        let Event::EventsRedacted(redacted) = event else { continue };
        recorded.push(Arc::new(sequencer.record(
            redacted.lane,
            event,
            version.next(),
            at,
            origin,
            None,
        )));
    }
    let append = Append {
        events: NewEvent::of_command(&recorded, None, key),
        columns: OptionalColumns::of(&recorded),
        ..Append::default()
    };
    let heads =
        held.heads.into_iter().filter(|head| recorded.iter().any(|one| one.lane == head.lane));
    let expected = Expected { heads: heads.collect(), in_transaction: true, ..Expected::default() };
    match append.write(connection, expected).await? {
        Appended::Written { .. } => Ok(Some(recorded)),
        Appended::Conflict(conflict) => {
            tracing::warn!(?conflict, "a redaction met another writer in spite of its locks");
            Ok(None)
        }
    }
}

/// The last version of each event's stream.
async fn versions(connection: &mut PgConnection, events: &[Event]) -> sqlx::Result<Vec<Version>> {
    let streams: Vec<Stream> = events.iter().map(Event::stream).collect();
    let names: Vec<String> = streams.iter().map(Stream::to_string).collect();
    let known: Vec<(String, i64)> =
        sqlx::query_as(include_str!("../queries/read_redaction_versions.sql"))
            .bind(&names)
            .fetch_all(connection)
            .await?;
    let version = |name: &String| {
        let found = known.iter().find(|(stream, _)| stream == name);
        Version(found.map_or(0, |(_, version)| *version))
    };
    Ok(names.iter().map(version).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redaction(ids: &[&str]) -> Redaction {
        Redaction {
            events: ids.iter().map(|id| id.parse().unwrap()).collect(),
            members: [RedactedMember::Note].into(),
            reason: "request".parse().unwrap(),
        }
    }

    fn holds(id: &str, members: &[RedactedMember]) -> Target {
        let members = members.iter().copied().collect();
        let (hash_before, hash_after) = (Hash([1; 32]), Hash([2; 32]));
        Target { id: id.parse().unwrap(), members, hash_before, hash_after }
    }

    #[test]
    fn one_event_a_lane_names_what_is_removed_and_leaves_out_what_holds_nothing() {
        let note = [RedactedMember::Note];
        let targets = vec![
            holds("0-3", &note),
            holds("0-4", &[]),
            holds("0-9", &note),
            holds("2-1", &[]),
            holds("5-7", &note),
        ];
        let events = decide(&redaction(&["0-3", "0-4", "0-9", "2-1", "5-7"]), targets).unwrap();
        let named: Vec<(u16, Vec<String>)> = events
            .iter()
            .map(|event| {
                let Event::EventsRedacted(one) = event else { panic!("{event:?}") };
                (one.lane.0, one.events.iter().map(|one| one.id.to_string()).collect())
            })
            .collect();
        let expected = [(0, vec!["0-3".to_owned(), "0-9".to_owned()]), (5, vec!["5-7".to_owned()])];
        assert_eq!(named, expected);
    }

    #[test]
    fn an_event_that_the_log_does_not_have_is_named_and_nothing_happens() {
        let targets = vec![holds("0-3", &[RedactedMember::Note])];
        let refused = decide(&redaction(&["0-3", "0-8"]), targets).expect_err("0-8 is unknown");
        assert_eq!(refused, Rejection::UnknownEvent { id: "0-8".to_owned() });
    }
}
