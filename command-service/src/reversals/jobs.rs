//! Jobs in Postgres, and their progress.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::json;
use shared_events::event::Cause;
use shared_events::lane::{EventId, PositionToken};
use shared_events::personal::Personal;
use shared_events::values::{Label, ReversalId};
use sqlx::postgres::{PgConnection, PgPool};
use sqlx::{Connection, Row};

use super::WindowRequest;
use super::window::{Step, Window};
use crate::inventory::{Irreversible, Rejection};
use crate::log::append::claim_key;
use crate::log::row::{array, event_ids, lane_number};
use crate::log::submission::{Origin, Unchanged};
use crate::personal::PersonalData;

/// Jobs that are read together.
const RUNNING_MAX: i64 = 100;

/// The progress of a reversal.
#[derive(Debug, Clone)]
pub struct Progress {
    pub reversal_id: ReversalId,
    pub status: Status,
    pub dry_run: bool,
    /// Events recorded after this position are not reversed.
    pub position: PositionToken,
    /// Events to reverse, and events of reservations and transfers, which refuse their correlation.
    pub events: u64,
    /// Correlations of these events; each is reversed as a whole or not at all. One of more than 5,000
    /// events counts as several.
    pub correlations: u64,
    /// Correlations reversed so far.
    pub reversed: u64,
    /// Correlations refused so far; until the end, some of them may still be reversed.
    pub refused: u64,
    /// The first refusals, at most [`REFUSALS_MAX`].
    pub refusals: Vec<Refusal>,
}

/// Refusals that are reported of one reversal.
pub const REFUSALS_MAX: usize = 1_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Running,
    Done,
}

/// A correlation that is not reversed.
#[derive(Debug, Clone)]
pub struct Refusal {
    pub correlation_id: Label,
    pub rejection: Rejection,
}

/// Whether a refused step may succeed after other steps of its job: those may reverse the later events
/// or the quantities that were the reason.
pub(crate) fn is_retryable(rejection: &Rejection) -> bool {
    matches!(
        rejection,
        Rejection::NotReversible { why: Irreversible::MovedOn, .. }
            | Rejection::Promised { .. }
            | Rejection::QuantityOverflow { .. }
    )
}

/// The part of a stored request that each step records.
#[derive(Debug, Deserialize)]
struct Stored {
    #[serde(default)]
    accept_shortage: bool,
    cause: StoredCause,
    actor: Option<Label>,
    #[serde(default)]
    caller: Option<Label>,
    correlation_id: Label,
    causation_id: Option<Label>,
    traceparent: Option<Label>,
}

/// What a redaction of the steps' events redacts here too.
#[derive(Debug, Serialize, Deserialize)]
struct StoredCause {
    #[serde(flatten)]
    cause: Cause,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    personal: Option<Arc<Personal>>,
}

/// A request as it is stored, with the window for people who read the table.
fn stored(request: &WindowRequest) -> String {
    let WindowRequest { by, from, to, sku, location, actor, accept_shortage, origin, .. } = request;
    let personal = request.personal.as_ref().and_then(PersonalData::sealed).cloned();
    let cause = StoredCause { cause: request.cause.clone(), personal };
    json!({
        "window": {
            "by": by, "from": from, "to": to, "sku": sku, "location": location, "actor": actor,
        },
        "accept_shortage": accept_shortage,
        "cause": cause,
        "actor": origin.actor,
        "caller": origin.caller,
        "correlation_id": origin.correlation_id,
        "causation_id": origin.causation_id,
        "traceparent": origin.traceparent,
    })
    .to_string()
}

/// A job that is not done.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) id: ReversalId,
    pub(crate) accept_shortage: bool,
    pub(crate) cause: Cause,
    pub(crate) personal: Option<PersonalData>,
    pub(crate) origin: Origin,
}

/// A job with its progress.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) request_hash: Option<Vec<u8>>,
    pub(crate) progress: Progress,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Inserted {
    New,
    /// There is a job with this id.
    Known,
    /// The idempotency key was used for a command.
    KeyUsed,
}

/// Stores a window as a job, with its steps and its idempotency key.
pub(crate) async fn insert(
    pool: &PgPool,
    id: &ReversalId,
    request: &WindowRequest,
    window: &Window,
) -> sqlx::Result<Inserted> {
    let mut connection = pool.acquire().await?;
    let mut transaction = connection.begin().await?;
    let made = sqlx::query(include_str!("../../queries/insert_reversal_job.sql"))
        .bind(id.as_str())
        .bind(request.key.as_ref().map(|key| key.request_hash.stored()))
        .bind(stored(request))
        .bind(window.position.to_string())
        .bind(count(window.events()))
        .bind(count(window.steps.len()))
        .execute(&mut *transaction)
        .await?;
    if made.rows_affected() == 0 {
        return Ok(Inserted::Known);
    }
    if let Some(key) = &request.key {
        let unchanged = Unchanged {
            position: window.position.clone(),
            recorded_at: window.now,
            correlation_id: request.origin.correlation_id.clone(),
            reservation: None,
        };
        if !claim_key(&mut transaction, key, unchanged).await? {
            return Ok(Inserted::KeyUsed);
        }
    }
    let column = |of: fn(&Step) -> String| window.steps.iter().map(of).collect::<Vec<String>>();
    sqlx::query(include_str!("../../queries/insert_reversal_steps.sql"))
        .bind(id.as_str())
        .bind(column(|step| step.correlation_id.to_string()))
        .bind(column(|step| array(step.events.iter().map(|id| lane_number(id.0)))))
        .bind(column(|step| array(step.events.iter().map(|id| id.1))))
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(Inserted::New)
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(crate) async fn find(pool: &PgPool, id: &ReversalId) -> sqlx::Result<Option<Job>> {
    let row = sqlx::query(include_str!("../../queries/find_reversal_job.sql"))
        .bind(id.as_str())
        .fetch_optional(pool)
        .await?;
    let Some(row) = row else {
        return Ok(None);
    };
    let number = |column| row.try_get::<i64, _>(column).map(i64::unsigned_abs);
    let is_done: bool = row.try_get("is_done")?;
    let progress = Progress {
        reversal_id: id.clone(),
        status: if is_done { Status::Done } else { Status::Running },
        dry_run: false,
        position: decoded(row.try_get::<&str, _>("position")?.parse())?,
        events: number("events")?,
        correlations: number("steps")?,
        reversed: number("reversed")?,
        refused: number("refused")?,
        refusals: refusals(pool, id).await?,
    };
    Ok(Some(Job { request_hash: row.try_get("request_hash")?, progress }))
}

async fn refusals(pool: &PgPool, id: &ReversalId) -> sqlx::Result<Vec<Refusal>> {
    let rows = sqlx::query(include_str!("../../queries/list_refusals.sql"))
        .bind(id.as_str())
        .bind(count(REFUSALS_MAX))
        .fetch_all(pool)
        .await?;
    let refusal = |row: &sqlx::postgres::PgRow| {
        Ok(Refusal {
            correlation_id: decoded(row.try_get::<&str, _>("correlation_id")?.parse())?,
            rejection: decoded(serde_json::from_str(row.try_get("refusal")?))?,
        })
    };
    rows.iter().map(refusal).collect()
}

/// The jobs that are not done, the oldest first.
pub(crate) async fn running(pool: &PgPool) -> sqlx::Result<Vec<Running>> {
    let rows = sqlx::query(include_str!("../../queries/list_running_reversals.sql"))
        .bind(RUNNING_MAX)
        .fetch_all(pool)
        .await?;
    let running = |row: &sqlx::postgres::PgRow| {
        let stored: Stored = decoded(serde_json::from_str(row.try_get("request")?))?;
        let Stored { accept_shortage, cause, actor, caller, .. } = stored;
        let Stored { correlation_id, causation_id, traceparent, .. } = stored;
        Ok(Running {
            id: decoded(row.try_get::<&str, _>("reversal")?.parse())?,
            accept_shortage,
            cause: cause.cause,
            personal: cause.personal.map(PersonalData::from_sealed),
            origin: Origin { actor, caller, correlation_id, causation_id, traceparent },
        })
    };
    rows.iter().map(running).collect()
}

/// The current pass of a job; none when the job is done.
pub(crate) async fn pass(
    connection: &mut PgConnection,
    id: &ReversalId,
) -> sqlx::Result<Option<i32>> {
    sqlx::query_scalar(include_str!("../../queries/read_pass.sql"))
        .bind(id.as_str())
        .fetch_optional(connection)
        .await
}

/// A step with its number in the job.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) nth: i32,
    pub(crate) events: Vec<EventId>,
}

/// At most `limit` steps after a number that are to be decided in a pass.
pub(crate) async fn waiting(
    connection: &mut PgConnection,
    id: &ReversalId,
    after: i32,
    pass: i32,
    limit: i64,
) -> sqlx::Result<Vec<Waiting>> {
    let rows = sqlx::query(include_str!("../../queries/list_steps.sql"))
        .bind(id.as_str())
        .bind(after)
        .bind(pass)
        .bind(limit)
        .fetch_all(connection)
        .await?;
    rows.iter()
        .map(|row| {
            let events = event_ids(row.try_get("lanes")?, row.try_get("positions")?)?;
            Ok(Waiting { nth: row.try_get("nth")?, events })
        })
        .collect()
}

/// Stores the decisions on steps of a pass; none is a success.
pub(crate) async fn save(
    connection: &mut PgConnection,
    id: &ReversalId,
    pass: i32,
    decided: &[(i32, Option<Rejection>)],
) -> sqlx::Result<()> {
    let numbers: Vec<i32> = decided.iter().map(|(nth, _)| *nth).collect();
    let json = |rejection: &Rejection| {
        serde_json::to_string(rejection).expect("a refusal is text and integers")
    };
    let refusals: Vec<Option<String>> =
        decided.iter().map(|(_, refusal)| refusal.as_ref().map(json)).collect();
    let retryable: Vec<bool> =
        decided.iter().map(|(_, refusal)| refusal.as_ref().is_some_and(is_retryable)).collect();
    sqlx::query(include_str!("../../queries/save_steps.sql"))
        .bind(id.as_str())
        .bind(pass)
        .bind(numbers)
        .bind(refusals)
        .bind(retryable)
        .execute(connection)
        .await?;
    Ok(())
}

/// Ends a pass in which every step was decided, and also the job if another pass cannot help.
pub(crate) async fn end_pass(
    connection: &mut PgConnection,
    id: &ReversalId,
    pass: i32,
) -> sqlx::Result<()> {
    sqlx::query(include_str!("../../queries/end_pass.sql"))
        .bind(id.as_str())
        .bind(pass)
        .execute(connection)
        .await?;
    Ok(())
}

fn decoded<T, E>(value: Result<T, E>) -> sqlx::Result<T>
where
    E: std::error::Error + Send + Sync + 'static,
{
    value.map_err(|error| sqlx::Error::Decode(Box::new(error)))
}
