//! One batch, one transaction: the rows and the checkpoints they stand for, together or not at all.

mod columns;
mod stock;
mod daily_flow;
mod low_stock;

use std::collections::BTreeMap;
use std::time::Duration;

use shared_events::chain::Chain;
use shared_events::lane::{Lane, Position};
use sqlx::PgPool;

use crate::database;
use crate::projection::ProjectionVersion;
use crate::projection::changes::Changes;
use crate::projection::checkpoint::Checkpoint;
use crate::projection::plan::{Advance, Stop};

/// Why nothing was applied.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// Another instance moved a checkpoint: load them anew and compare again.
    #[error("a checkpoint was moved by another instance")]
    Moved,
    /// A value does not fit the tables; it never will.
    #[error("refused by the database: {0}")]
    Refused(String),
    /// The database is away or in trouble, or did not answer: try again.
    #[error("{0}")]
    Unavailable(String),
}

/// Applies a batch, in a task of its own: a transaction whose future is dropped half-way would leave
/// its connection in the middle of it. If there is no answer in time the task is left to itself, and
/// the checkpoints tell later what became of it.
///
/// # Errors
/// Nothing was applied, or, with [`ApplyError::Unavailable`], perhaps all of it.
pub async fn apply(
    pool: &PgPool,
    projection: ProjectionVersion,
    advances: Vec<Advance>,
    changes: Changes,
    timeout: Duration,
) -> Result<(), ApplyError> {
    let transaction = tokio::spawn(write(pool.clone(), projection, advances, changes));
    match tokio::time::timeout(timeout, transaction).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(panic)) => Err(ApplyError::Unavailable(panic.to_string())),
        Err(_) => Err(ApplyError::Unavailable("no answer in time".to_owned())),
    }
}

async fn write(
    pool: PgPool,
    projection: ProjectionVersion,
    advances: Vec<Advance>,
    changes: Changes,
) -> Result<(), ApplyError> {
    // 1. Begin, at READ COMMITTED (a setting of the connection), so that a checkpoint that had to be
    //    waited for is seen as it is after the wait.
    let mut transaction = pool.begin().await?;
    // 2. Move the checkpoints, each from where it has to be; their locks keep every other instance
    //    away from these lanes' rows until the end.
    let moved = sqlx::query(include_str!("../../queries/advance_checkpoints.sql"))
        .bind(projection.name())
        .bind(projection.version())
        .bind(column(&advances, |one| database::lane_column(one.lane)))
        .bind(column(&advances, |one| one.before.0))
        .bind(column(&advances, |one| one.after.position.0))
        .bind(column(&advances, |one| one.after.chain.0.to_vec()))
        .bind(column(&advances, |one| one.kafka_offset))
        .execute(&mut *transaction)
        .await?
        .rows_affected();
    if moved != advances.len() as u64 {
        transaction.rollback().await?;
        return Err(ApplyError::Moved);
    }
    // 3. Write the rows.
    match &changes {
        Changes::Stock(changes) => stock::write(changes, &mut transaction).await?,
        Changes::DailyFlow(changes) => daily_flow::write(changes, &mut transaction).await?,
        Changes::LowStock(changes) => {
            low_stock::write(changes, &advances, &mut transaction).await?;
        }
    }
    // 4. Commit.
    transaction.commit().await?;
    Ok(())
}

fn column<T>(advances: &[Advance], value: impl Fn(&Advance) -> T) -> Vec<T> {
    advances.iter().map(value).collect()
}

/// How far every lane is applied.
///
/// # Errors
/// The database is away.
pub async fn load_checkpoints(
    pool: &PgPool,
    projection: ProjectionVersion,
) -> sqlx::Result<BTreeMap<Lane, Checkpoint>> {
    let rows: Vec<(i16, i64, Vec<u8>)> =
        sqlx::query_as(include_str!("../../queries/load_checkpoints.sql"))
            .bind(projection.name())
            .bind(projection.version())
            .fetch_all(pool)
            .await?;
    let checkpoint = |(lane, position, chain): (i16, i64, Vec<u8>)| {
        let chain = chain.try_into().expect("a stored chain has 32 bytes");
        let checkpoint = Checkpoint { position: Position(position), chain: Chain(chain) };
        (database::lane(lane), checkpoint)
    };
    Ok(rows.into_iter().map(checkpoint).collect())
}

/// Keeps what a lane stopped at, as long as its checkpoint is still `at`.
///
/// # Errors
/// The database is away.
pub async fn save_stop(
    pool: &PgPool,
    projection: ProjectionVersion,
    lane: Lane,
    at: Position,
    stop: &Stop,
) -> sqlx::Result<()> {
    sqlx::query(include_str!("../../queries/save_stop.sql"))
        .bind(projection.name())
        .bind(projection.version())
        .bind(database::lane_column(lane))
        .bind(at.0)
        .bind(&stop.event)
        .bind(&stop.error)
        .execute(pool)
        .await?;
    Ok(())
}

impl From<sqlx::Error> for ApplyError {
    /// SQLSTATE classes 22 and 23 are about the values (<https://www.postgresql.org/docs/current/errcodes-appendix.html>);
    /// everything else may pass.
    fn from(error: sqlx::Error) -> Self {
        let code = error.as_database_error().and_then(|cause| cause.code());
        match code.as_deref().and_then(|code| code.get(..2)) {
            Some("22" | "23") => Self::Refused(error.to_string()),
            _ => Self::Unavailable(error.to_string()),
        }
    }
}
