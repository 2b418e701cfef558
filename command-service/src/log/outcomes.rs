//! The stored outcomes of requests with a key.
//!
//! An accepted command is stored by its own first event, and its answer is rendered again from its
//! events; what left no event has a row in `commands`.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use shared_events::event::{DecodeError, Event};
use shared_events::lane::EventId;
use shared_events::recorded::RecordedEvent;
use shared_events::values::Label;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use super::append::{Append, Binding};
use super::row::{self, EventRow};
use super::submission::{Decision, IdempotencyKey, Outcome, Unchanged, Verdict};
use crate::inventory::Rejection;

/// Whose key, and the key.
type KeyName = (Label, Label);

/// What the batch's keys stand for: stored before, or decided in this very batch.
#[derive(Debug, Default)]
pub(super) struct KnownOutcomes(HashMap<KeyName, ([u8; 32], Decision)>);

impl KnownOutcomes {
    /// How a request with this key ends, if its key has an outcome.
    pub(super) fn of(&self, key: &IdempotencyKey) -> Option<Outcome> {
        let (request_hash, decision) = self.0.get(&name(key))?;
        Some(if *request_hash == key.request_hash {
            Outcome::Replayed(decision.clone())
        } else {
            Outcome::KeyReused
        })
    }

    /// Remembers what was decided, for requests of the same batch with the same key.
    pub(super) fn remember(&mut self, key: &IdempotencyKey, decision: Decision) {
        self.0.insert(name(key), (key.request_hash, decision));
    }
}

fn name(key: &IdempotencyKey) -> KeyName {
    (key.caller.clone(), key.key.clone())
}

/// Whether a decision is stored under its key. What was wrong with the request's own values is not:
/// the same request may be right another time.
pub(super) fn is_stored(decision: &Decision) -> bool {
    match decision {
        Decision::Accepted(_) | Decision::AcceptedTogether { .. } | Decision::Unchanged(_) => true,
        Decision::Rejected(rejection) => is_fact(rejection),
        Decision::RefusedTogether(verdicts) => verdicts.iter().all(|verdict| match verdict {
            Verdict::Possible(_) => true,
            Verdict::Refused(rejection) => is_fact(rejection),
        }),
    }
}

fn is_fact(rejection: &Rejection) -> bool {
    !matches!(
        rejection,
        Rejection::OccurredAtOutOfRange { .. } | Rejection::QuantityOverflow { .. }
    )
}

/// The number whose lock stands for a key. Two keys may share one; then they wait for each other.
pub(super) fn lock_number(key: &IdempotencyKey) -> i64 {
    let mut hash = Sha256::new();
    for text in [key.caller.as_str(), key.key.as_str()] {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text.as_bytes());
    }
    let digest: [u8; 32] = hash.finalize().into();
    let [a, b, c, d, e, f, g, h, ..] = digest;
    i64::from_be_bytes([a, b, c, d, e, f, g, h])
}

/// The form in which an outcome without events is stored. Released shapes stay readable.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Stored {
    Unchanged(Unchanged),
    Rejected(Rejection),
    RefusedTogether(Vec<StoredVerdict>),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredVerdict {
    Possible(Vec<StoredEvent>),
    Refused(Rejection),
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredEvent {
    #[serde(rename = "type")]
    event_type: String,
    schema_version: i16,
    data: Box<RawValue>,
}

impl StoredVerdict {
    fn of(verdict: &Verdict) -> Self {
        match verdict {
            Verdict::Refused(rejection) => Self::Refused(rejection.clone()),
            Verdict::Possible(events) => Self::Possible(
                events
                    .iter()
                    .map(|event| StoredEvent {
                        event_type: event.event_type().to_owned(),
                        schema_version: event.schema_version(),
                        data: event.to_data(),
                    })
                    .collect(),
            ),
        }
    }

    fn read(self) -> Result<Verdict, DecodeError> {
        let event = |stored: StoredEvent| {
            Event::from_json(&stored.event_type, stored.schema_version, stored.data.get())
        };
        Ok(match self {
            Self::Refused(rejection) => Verdict::Refused(rejection),
            Self::Possible(events) => {
                Verdict::Possible(events.into_iter().map(event).collect::<Result<_, _>>()?)
            }
        })
    }
}

impl Stored {
    fn read(self) -> Result<Decision, DecodeError> {
        Ok(match self {
            Self::Unchanged(unchanged) => Decision::Unchanged(unchanged),
            Self::Rejected(rejection) => Decision::Rejected(rejection),
            Self::RefusedTogether(verdicts) => Decision::RefusedTogether(
                verdicts.into_iter().map(StoredVerdict::read).collect::<Result<_, _>>()?,
            ),
        })
    }
}

/// Reads what is stored under the given keys; the events of all that were accepted with one statement.
pub(super) async fn find(
    connection: &mut PgConnection,
    keys: &[&IdempotencyKey],
) -> sqlx::Result<KnownOutcomes> {
    let mut known = KnownOutcomes::default();
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
        let request_hash = row.try_get::<&[u8], _>("request_hash")?.try_into();
        let request_hash = request_hash.map_err(unreadable)?;
        let decision = decision(row, events.by_ref().take(ids.len()).collect())?;
        known.0.insert(name, (request_hash, decision));
    }
    Ok(known)
}

/// Which events a stored outcome has; none where it is stored without.
fn event_ids(row: &PgRow) -> sqlx::Result<Vec<EventId>> {
    let lanes: Option<Vec<i16>> = row.try_get("lanes")?;
    let positions: Option<Vec<i64>> = row.try_get("positions")?;
    row::event_ids(lanes.unwrap_or_default(), positions.unwrap_or_default())
}

/// A stored outcome, with its events.
fn decision(row: &PgRow, events: Vec<Arc<RecordedEvent>>) -> sqlx::Result<Decision> {
    if let Some(json) = row.try_get::<Option<&str>, _>("outcome")? {
        let stored: Stored = serde_json::from_str(json).map_err(unreadable)?;
        return stored.read().map_err(unreadable);
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

/// The events with these ids, all of them.
async fn events_of(
    connection: &mut PgConnection,
    ids: &[EventId],
) -> sqlx::Result<Vec<Arc<RecordedEvent>>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows = row::events_at(connection, ids).await?;
    if rows.len() < ids.len() {
        // A gap, which there cannot be; the events would be taken for another command's.
        return Err(sqlx::Error::RowNotFound);
    }
    Ok(rows.into_iter().map(|EventRow(event)| Arc::new(event)).collect())
}

/// Claims a key for something that takes more than one command, in the transaction that begins it: a
/// command with the same key is then told that it was used. Says whether the key was free.
pub(crate) async fn claim(
    connection: &mut PgConnection,
    key: &IdempotencyKey,
    unchanged: Unchanged,
) -> sqlx::Result<bool> {
    sqlx::query(include_str!("../../queries/lock_key.sql"))
        .bind(lock_number(key))
        .execute(&mut *connection)
        .await?;
    if find(connection, &[key]).await?.of(key).is_some() {
        return Ok(false);
    }
    let recorded_at = unchanged.recorded_at;
    let claimed = Unrecorded::of(key, &Decision::Unchanged(unchanged));
    let claim = Append { outcomes: claimed.into_iter().collect(), ..Append::default() };
    claim.write(connection, recorded_at).await?;
    Ok(true)
}

/// An outcome without events that is to be stored.
#[derive(Debug)]
pub(super) struct Unrecorded {
    caller: Label,
    key: Label,
    request_hash: [u8; 32],
    outcome: String,
}

impl Unrecorded {
    /// The row for a decision; none for an accepted one, whose events are its record.
    pub(super) fn of(key: &IdempotencyKey, decision: &Decision) -> Option<Self> {
        let stored = match decision {
            Decision::Accepted(_) | Decision::AcceptedTogether { .. } => return None,
            Decision::RefusedTogether(verdicts) => {
                Stored::RefusedTogether(verdicts.iter().map(StoredVerdict::of).collect())
            }
            Decision::Unchanged(unchanged) => Stored::Unchanged(unchanged.clone()),
            Decision::Rejected(rejection) => Stored::Rejected(rejection.clone()),
        };
        Some(Self {
            caller: key.caller.clone(),
            key: key.key.clone(),
            request_hash: key.request_hash,
            outcome: serde_json::to_string(&stored)
                .expect("an outcome is text, integers and lists of them, which JSON can hold"),
        })
    }
}

/// Binds outcomes: callers, keys, hashes of the requests, outcomes.
pub(super) fn bind(outcomes: &[Unrecorded], statement: Binding) -> Binding {
    let column = |of: fn(&Unrecorded) -> String| outcomes.iter().map(of).collect::<Vec<String>>();
    let hashes: Vec<Vec<u8>> = outcomes.iter().map(|row| row.request_hash.to_vec()).collect();
    statement
        .bind(column(|row| row.caller.to_string()))
        .bind(column(|row| row.key.to_string()))
        .bind(hashes)
        .bind(column(|row| row.outcome.clone()))
}
