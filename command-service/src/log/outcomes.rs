//! The stored outcomes of requests with a key.
//!
//! An accepted command is stored by its own first event, and its answer is rendered again from its
//! events; what left no event has a row in `commands`.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use shared_events::recorded::RecordedEvent;
use shared_events::time::Timestamp;
use sqlx::{PgConnection, Row};

use super::row::EventRow;
use super::submission::{Decision, IdempotencyKey, Outcome, Unchanged};
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
    !matches!(
        decision,
        Decision::Rejected(
            Rejection::OccurredAtOutOfRange { .. } | Rejection::QuantityOverflow { .. }
        )
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
        let request_hash = request_hash.map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
        let decision = match row.try_get::<Option<&str>, _>("outcome")? {
            Some(json) => match serde_json::from_str(json) {
                Ok(Stored::Unchanged(unchanged)) => Decision::Unchanged(unchanged),
                Ok(Stored::Rejected(rejection)) => Decision::Rejected(rejection),
                Err(error) => return Err(sqlx::Error::Decode(Box::new(error))),
            },
            None => Decision::Accepted(
                events_at(connection, row.try_get("lanes")?, row.try_get("positions")?).await?,
            ),
        };
        known.0.insert((row.try_get("caller")?, row.try_get("key")?), (request_hash, decision));
    }
    Ok(known)
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
            Decision::Accepted(_) => return None,
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
