//! The jobs as Postgres keeps them.

use serde::{Deserialize, Serialize};
use shared_events::event::Cause;
use shared_events::lane::EventId;
use shared_events::time::Timestamp;
use shared_events::values::{Label, LocationCode, ReversalId, Sku};
use sqlx::postgres::{PgConnection, PgPool};
use sqlx::{Connection, Row};

use super::progress::{Progress, REFUSALS_MAX, Refusal, Status, may_yet};
use super::steps::Step;
use super::window::Window;
use super::{WindowBy, WindowRequest};
use crate::inventory::Rejection;
use crate::log::append::claim_key;
use crate::log::row::{event_ids, lane_number};
use crate::log::submission::{Origin, Unchanged};

/// Jobs that are looked at together.
const RUNNING_MAX: i64 = 100;

/// A request as it is stored: what each step records, and the window for whoever reads the table.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Stored {
    window: StoredWindow,
    cause: Cause,
    actor: Option<Label>,
    correlation_id: Label,
    causation_id: Option<Label>,
    traceparent: Option<Label>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct StoredWindow {
    by: WindowBy,
    from: Timestamp,
    to: Timestamp,
    sku: Option<Sku>,
    location: Option<LocationCode>,
    actor: Option<Label>,
}

impl Stored {
    fn of(request: &WindowRequest) -> Self {
        let WindowRequest { by, from, to, sku, location, actor, cause, origin, .. } =
            request.clone();
        let window = StoredWindow { by, from, to, sku, location, actor };
        let Origin { actor, correlation_id, causation_id, traceparent } = origin;
        Self { window, cause, actor, correlation_id, causation_id, traceparent }
    }
}

/// A job that is not done.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) id: ReversalId,
    pub(super) cause: Cause,
    pub(super) origin: Origin,
}

/// A job and how far it is.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) request_hash: Option<Vec<u8>>,
    pub(super) progress: Progress,
}

/// How an insert ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Inserted {
    /// There is a job now.
    New,
    /// There was one of this id.
    Known,
    /// The key was used for a command.
    KeyUsed,
}

/// Keeps a window as a job, with its steps and its key.
pub(super) async fn insert(
    pool: &PgPool,
    id: &ReversalId,
    request: &WindowRequest,
    window: &Window,
) -> sqlx::Result<Inserted> {
    let mut connection = pool.acquire().await?;
    let mut transaction = connection.begin().await?;
    let stored = serde_json::to_string(&Stored::of(request))
        .expect("a request is text, integers and maps with text keys, which JSON can hold");
    let made = sqlx::query(include_str!("../../queries/insert_reversal_job.sql"))
        .bind(id.as_str())
        .bind(request.key.as_ref().map(|key| key.request_hash.to_vec()))
        .bind(stored)
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
        .bind(column(|step| array(step, |id| i64::from(lane_number(id.0)))))
        .bind(column(|step| array(step, |id| id.1.0)))
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(Inserted::New)
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// An array in Postgres' text form: `unnest` would flatten an array of arrays.
fn array(step: &Step, number: fn(&EventId) -> i64) -> String {
    let numbers: Vec<String> = step.events.iter().map(|id| number(id).to_string()).collect();
    format!("{{{}}}", numbers.join(","))
}

/// A job by its id.
pub(super) async fn find(pool: &PgPool, id: &ReversalId) -> sqlx::Result<Option<Job>> {
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
pub(super) async fn running(pool: &PgPool) -> sqlx::Result<Vec<Running>> {
    let rows = sqlx::query(include_str!("../../queries/list_running_reversals.sql"))
        .bind(RUNNING_MAX)
        .fetch_all(pool)
        .await?;
    let running = |row: &sqlx::postgres::PgRow| {
        let stored: Stored = decoded(serde_json::from_str(row.try_get("request")?))?;
        let Stored { cause, actor, correlation_id, causation_id, traceparent, .. } = stored;
        Ok(Running {
            id: decoded(row.try_get::<&str, _>("reversal")?.parse())?,
            cause,
            origin: Origin { actor, correlation_id, causation_id, traceparent },
        })
    };
    rows.iter().map(running).collect()
}

/// The pass that a job is in; nothing when it is done.
pub(super) async fn pass(
    connection: &mut PgConnection,
    id: &ReversalId,
) -> sqlx::Result<Option<i32>> {
    sqlx::query_scalar(include_str!("../../queries/read_pass.sql"))
        .bind(id.as_str())
        .fetch_optional(connection)
        .await
}

/// A step with its place in the job.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) nth: i32,
    pub(super) events: Vec<EventId>,
}

/// At most `limit` steps after a place that are to be decided in a pass.
pub(super) async fn waiting(
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

/// Notes how steps of a pass were decided: nothing is a success.
pub(super) async fn save(
    connection: &mut PgConnection,
    id: &ReversalId,
    pass: i32,
    decided: &[(i32, Option<Rejection>)],
) -> sqlx::Result<()> {
    let places: Vec<i32> = decided.iter().map(|(nth, _)| *nth).collect();
    let json = |rejection: &Rejection| {
        serde_json::to_string(rejection).expect("a refusal is text and integers")
    };
    let refusals: Vec<Option<String>> =
        decided.iter().map(|(_, refusal)| refusal.as_ref().map(json)).collect();
    let may_yet: Vec<bool> =
        decided.iter().map(|(_, refusal)| refusal.as_ref().is_some_and(may_yet)).collect();
    sqlx::query(include_str!("../../queries/save_steps.sql"))
        .bind(id.as_str())
        .bind(pass)
        .bind(places)
        .bind(refusals)
        .bind(may_yet)
        .execute(connection)
        .await?;
    Ok(())
}

/// Ends a pass in which every step was decided, and the job with it if another one is of no use.
pub(super) async fn end_pass(
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
