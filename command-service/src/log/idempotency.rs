//! Stored outcomes of requests with an idempotency key.
//!
//! The outcome of an accepted command is its first event, and its answer is rendered again from its
//! events. Every other outcome has a row in `commands`.

pub mod purge;

use std::collections::HashMap;
use std::sync::Arc;

use inventory::Rejection;
use shared_events::lane::EventId;
use shared_events::recorded::RecordedEvent;
use shared_events::time::Timestamp;
use shared_events::values::Label;
use sqlx::postgres::PgRow;
use sqlx::types::chrono::{DateTime, Utc};
use sqlx::{PgConnection, Row, Type};

use super::row::{self, EventRow};
use super::submission::{Decision, IdempotencyKey, Outcome, Verdict};

/// The caller and the key.
type KeyName = (Label, Label);

/// The outcomes of a batch's keys: stored earlier, or decided in the same batch.
#[derive(Debug, Default)]
pub(crate) struct KnownOutcomes(HashMap<KeyName, (Vec<u8>, Decision)>);

impl KnownOutcomes {
    /// Reads the outcomes of keys, and with one statement the events of all accepted commands.
    pub(crate) async fn find(
        connection: &mut PgConnection,
        keys: &[&IdempotencyKey],
    ) -> sqlx::Result<Self> {
        let mut known = Self::default();
        if keys.is_empty() {
            return Ok(known);
        }
        let callers: Vec<&str> = keys.iter().map(|key| key.caller.as_str()).collect();
        let names: Vec<&str> = keys.iter().map(|key| key.key.as_str()).collect();
        let rows = sqlx::query(include_str!("../../queries/find_outcomes.sql"))
            .bind(callers)
            .bind(names)
            .fetch_all(&mut *connection)
            .await?;
        let ids: Vec<Vec<EventId>> = rows.iter().map(event_ids).collect::<sqlx::Result<_>>()?;
        let mut events = events_of(connection, &ids.concat()).await?.into_iter();
        for (row, ids) in rows.iter().zip(&ids) {
            let name = (label(row, "caller")?, label(row, "key")?);
            let request_hash = row.try_get::<Vec<u8>, _>("request_hash")?;
            let decision = decision(row, events.by_ref().take(ids.len()).collect())?;
            known.0.insert(name, (request_hash, decision));
        }
        Ok(known)
    }

    /// The outcome of a request with this key, if the key has one.
    pub(crate) fn of(&self, key: &IdempotencyKey) -> Option<Outcome> {
        let (request_hash, decision) = self.0.get(&name(key))?;
        Some(if key.request_hash.is(request_hash) {
            Outcome::Replayed(decision.clone())
        } else {
            Outcome::KeyReused
        })
    }

    /// Adds a decision for later requests of the same batch with the same key.
    pub(crate) fn remember(&mut self, key: &IdempotencyKey, decision: Decision) {
        self.0.insert(name(key), (key.request_hash.stored(), decision));
    }
}

fn name(key: &IdempotencyKey) -> KeyName {
    (key.caller.clone(), key.key.clone())
}

/// Whether a decision is stored under its key. A rejection of the request's own values is not: the
/// same request may be valid later.
pub(crate) fn is_stored(decision: &Decision) -> bool {
    match decision {
        Decision::Accepted(_) | Decision::AcceptedTogether { .. } | Decision::Unchanged(_) => true,
        Decision::Rejected(rejection) => is_lasting(rejection),
        Decision::RefusedTogether(verdicts) => verdicts.iter().all(|verdict| match verdict {
            Verdict::Possible(_) => true,
            Verdict::Refused(rejection) => is_lasting(rejection),
        }),
    }
}

fn is_lasting(rejection: &Rejection) -> bool {
    !matches!(
        rejection,
        Rejection::OccurredAtOutOfRange { .. }
            | Rejection::ExpectedAtPassed { .. }
            | Rejection::QuantityOverflow { .. }
    )
}

/// The number of a key's advisory lock. Two keys may share a number; then they wait for each other.
pub(crate) fn lock_number(key: &IdempotencyKey) -> i64 {
    let [a, b, c, d, e, f, g, h, ..] = key.digest();
    i64::from_be_bytes([a, b, c, d, e, f, g, h])
}

/// The ids of an outcome's events, if it has any.
fn event_ids(row: &PgRow) -> sqlx::Result<Vec<EventId>> {
    let lanes: Option<Vec<i16>> = row.try_get("lanes")?;
    let positions: Option<Vec<i64>> = row.try_get("positions")?;
    row::event_ids(lanes.unwrap_or_default(), positions.unwrap_or_default())
}

fn decision(row: &PgRow, events: Vec<Arc<RecordedEvent>>) -> sqlx::Result<Decision> {
    if let Some(json) = row.try_get::<Option<&str>, _>("outcome")? {
        return serde_json::from_str(json).map_err(unreadable);
    }
    let Some(sizes) = row.try_get::<Option<Vec<i32>>, _>("sizes")? else {
        return Ok(Decision::Accepted(events));
    };
    let sizes = sizes.into_iter().map(usize::try_from).collect::<Result<_, _>>();
    Ok(Decision::AcceptedTogether { events, sizes: sizes.map_err(unreadable)? })
}

fn label(row: &PgRow, column: &str) -> sqlx::Result<Label> {
    row.try_get::<&str, _>(column)?.parse().map_err(unreadable)
}

fn unreadable(error: impl std::error::Error + Send + Sync + 'static) -> sqlx::Error {
    sqlx::Error::Decode(Box::new(error))
}

/// All events with these ids.
async fn events_of(
    connection: &mut PgConnection,
    ids: &[EventId],
) -> sqlx::Result<Vec<Arc<RecordedEvent>>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows = row::events_at(connection, ids).await?;
    if rows.len() < ids.len() {
        // A missing event would shift the events of the other commands.
        return Err(sqlx::Error::RowNotFound);
    }
    Ok(rows.into_iter().map(|EventRow(event)| Arc::new(event)).collect())
}

/// An outcome without events, as the row to store.
#[derive(Debug, Type)]
#[sqlx(type_name = "new_outcome")]
pub(crate) struct StoredOutcome {
    caller: String,
    key: String,
    request_hash: Vec<u8>,
    outcome: String,
    recorded_at: DateTime<Utc>,
}

impl StoredOutcome {
    /// The row for a decision; none if it has events.
    pub(crate) fn of(
        key: &IdempotencyKey,
        decision: &Decision,
        recorded_at: Timestamp,
    ) -> Option<Self> {
        if matches!(decision, Decision::Accepted(_) | Decision::AcceptedTogether { .. }) {
            return None;
        }
        Some(Self {
            caller: key.caller.to_string(),
            key: key.key.to_string(),
            request_hash: key.request_hash.stored(),
            outcome: serde_json::to_string(decision)
                .expect("an outcome is text, integers and lists, which JSON can hold"),
            recorded_at: recorded_at.to_utc(),
        })
    }

    pub(crate) async fn insert(self, connection: &mut PgConnection) -> sqlx::Result<()> {
        sqlx::query(include_str!("../../queries/insert_outcome.sql"))
            .bind(self.caller)
            .bind(self.key)
            .bind(self.request_hash)
            .bind(self.outcome)
            .bind(self.recorded_at)
            .execute(connection)
            .await?;
        Ok(())
    }
}
