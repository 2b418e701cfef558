//! The stored outcomes of requests with a key.
//!
//! An accepted command is stored by its own first event, and its answer is rendered again from its
//! events; what left no event has a row in `commands`.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use shared_events::event::{DecodeError, Event};
use shared_events::recorded::RecordedEvent;
use shared_events::time::Timestamp;
use sqlx::{PgConnection, Row};

use super::row::EventRow;
use super::submission::{Decision, IdempotencyKey, Outcome, Unchanged, Verdict};
use crate::inventory::Rejection;

/// Whose key, and the key.
type KeyName = (String, String);

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
    (key.caller.to_string(), key.key.to_string())
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

/// Reads what is stored under the given keys.
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
    for row in rows {
        let request_hash = row.try_get::<&[u8], _>("request_hash")?.try_into();
        let request_hash = request_hash.map_err(unreadable)?;
        let decision = match row.try_get::<Option<&str>, _>("outcome")? {
            Some(json) => {
                let stored: Stored = serde_json::from_str(json).map_err(unreadable)?;
                stored.read().map_err(unreadable)?
            }
            None => {
                let (lanes, positions) = (row.try_get("lanes")?, row.try_get("positions")?);
                let events = events_at(connection, lanes, positions).await?;
                match row.try_get::<Option<Vec<i32>>, _>("sizes")? {
                    None => Decision::Accepted(events),
                    Some(sizes) => {
                        let sizes =
                            sizes.into_iter().map(usize::try_from).collect::<Result<_, _>>();
                        Decision::AcceptedTogether { events, sizes: sizes.map_err(unreadable)? }
                    }
                }
            }
        };
        known.0.insert((row.try_get("caller")?, row.try_get("key")?), (request_hash, decision));
    }
    Ok(known)
}

fn unreadable(error: impl std::error::Error + Send + Sync + 'static) -> sqlx::Error {
    sqlx::Error::Decode(Box::new(error))
}

async fn events_at(
    connection: &mut PgConnection,
    lanes: Vec<i16>,
    positions: Vec<i64>,
) -> sqlx::Result<Vec<RecordedEvent>> {
    let rows: Vec<EventRow> = sqlx::query_as(include_str!("../../queries/read_events_at.sql"))
        .bind(lanes)
        .bind(positions)
        .fetch_all(connection)
        .await?;
    Ok(rows.into_iter().map(|EventRow(event)| event).collect())
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
    save(connection, claimed.as_slice(), recorded_at).await?;
    Ok(true)
}

/// An outcome without events that is to be stored.
#[derive(Debug)]
pub(super) struct Unrecorded {
    caller: String,
    key: String,
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
        let (caller, key_name) = name(key);
        Some(Self {
            caller,
            key: key_name,
            request_hash: key.request_hash,
            outcome: serde_json::to_string(&stored)
                .expect("an outcome is text, integers and lists of them, which JSON can hold"),
        })
    }
}

/// Stores outcomes that left no event.
pub(super) async fn save(
    connection: &mut PgConnection,
    outcomes: &[Unrecorded],
    recorded_at: Timestamp,
) -> sqlx::Result<()> {
    if outcomes.is_empty() {
        return Ok(());
    }
    let column = |of: fn(&Unrecorded) -> &str| outcomes.iter().map(of).collect::<Vec<&str>>();
    let hashes: Vec<&[u8]> = outcomes.iter().map(|row| row.request_hash.as_slice()).collect();
    sqlx::query(include_str!("../../queries/save_outcomes.sql"))
        .bind(column(|row| &row.caller))
        .bind(column(|row| &row.key))
        .bind(hashes)
        .bind(column(|row| &row.outcome))
        .bind(recorded_at.to_utc())
        .execute(connection)
        .await?;
    Ok(())
}
