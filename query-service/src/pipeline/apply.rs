//! One batch, one transaction: rows and checkpoints are written together or not at all.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use shared_events::chain::Chain;
use shared_events::lane::{Lane, Position};
use sqlx::PgPool;

use crate::database;
use crate::pipeline::checkpoint::Checkpoint;
use crate::pipeline::memory::Memory;
use crate::pipeline::plan::{Advance, Stop};
use crate::projection::{ProjectionVersion, TableChanges};

/// Why nothing was applied.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// Another instance moved a checkpoint: reload the checkpoints and compare again.
    #[error("a checkpoint was moved by another instance")]
    Moved,
    /// A value does not fit the tables and never will.
    #[error("refused by the database: {0}")]
    Refused(String),
    /// The database is down or did not answer: try again.
    #[error("{0}")]
    Unavailable(String),
}

/// Applies a batch in a separate task, because a dropped future would leave its connection in the
/// middle of the transaction. After a timeout the task goes on, and the checkpoints show later whether
/// it committed: [`ApplyError::Unavailable`] means that the batch may have been applied.
pub async fn apply(
    pool: &PgPool,
    projection: ProjectionVersion,
    memory: &Arc<Memory>,
    advances: Vec<Advance>,
    changes: Box<dyn TableChanges>,
    timeout: Duration,
) -> Result<(), ApplyError> {
    let in_flight = memory.begin(changes.slots());
    let writing = write(pool.clone(), projection, advances, changes);
    let transaction = tokio::spawn(async move {
        let outcome = writing.await;
        drop(in_flight);
        outcome
    });
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
    changes: Box<dyn TableChanges>,
) -> Result<(), ApplyError> {
    // 1. Begin at READ COMMITTED (a setting of the connection): after waiting for a checkpoint's lock
    //    we see the newest checkpoint.
    let mut transaction = pool.begin().await?;
    // 2. Move each checkpoint from its expected position. The locks keep other instances away from
    //    the rows of these lanes until the commit.
    let moved = sqlx::query(include_str!("../../queries/advance_checkpoints.sql"))
        .bind(projection.name())
        .bind(projection.version())
        .bind(column(&advances, |one| i16::from(one.lane)))
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
    let ends = advances.iter().map(|one| (one.lane, one.after.position)).collect();
    changes.write(&ends, &mut transaction).await?;
    // 4. Commit.
    transaction.commit().await?;
    Ok(())
}

fn column<T>(advances: &[Advance], value: impl Fn(&Advance) -> T) -> Vec<T> {
    advances.iter().map(value).collect()
}

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

/// Records why a lane stopped, if its checkpoint is still `at`.
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
        .bind(i16::from(lane))
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
