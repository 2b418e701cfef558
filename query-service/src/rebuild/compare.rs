//! Compares two versions of a projection row by row, lane by lane, while both are written. The database
//! compares checksums, for both versions are its own; the log is not read.

use std::time::Duration;

use anyhow::{Context, bail};
use sqlx::Connection;
use sqlx::postgres::PgConnection;
use tokio::time::Instant;

use crate::projection::ProjectionVersion;

/// How long it may take until both versions are seen at the same position of a lane.
const MEET_MAX: Duration = Duration::from_secs(60);

/// The pause between two looks.
const LOOK_INTERVAL: Duration = Duration::from_millis(5);

/// Returns the number of rows compared, and fails with the first that differs.
///
/// Every row is written from one lane, so each lane is compared in a snapshot in which both versions
/// are at the same position of it. That blocks nobody.
pub(super) async fn compare(
    connection: &mut PgConnection,
    one: ProjectionVersion,
    other: ProjectionVersion,
) -> anyhow::Result<i64> {
    let tables: Vec<String> = sqlx::query_scalar(include_str!("../../queries/list_tables.sql"))
        .bind(one.schema())
        .fetch_all(&mut *connection)
        .await?;
    let lanes: Vec<i16> =
        positions(connection, one).await?.into_iter().map(|(lane, _)| lane).collect();
    let mut rows = 0;
    for lane in lanes {
        let deadline = Instant::now() + MEET_MAX;
        loop {
            let mut snapshot =
                connection.begin_with("begin isolation level repeatable read read only").await?;
            let first = position(&mut snapshot, one, lane).await?;
            let second = position(&mut snapshot, other, lane).await?;
            if first == second {
                for table in &tables {
                    rows += compare_rows(&mut snapshot, one, other, table, lane).await?;
                }
                tracing::info!("lane {lane} is equal at {first}");
                break;
            }
            drop(snapshot);
            if Instant::now() > deadline {
                bail!(
                    "the versions were never seen at the same position of lane {lane}: last {first} and {second}"
                );
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }
    Ok(rows)
}

async fn positions(
    connection: &mut PgConnection,
    of: ProjectionVersion,
) -> sqlx::Result<Vec<(i16, i64)>> {
    let mut positions: Vec<(i16, i64)> =
        sqlx::query_as(include_str!("../../queries/load_positions.sql"))
            .bind(of.name())
            .bind(of.version())
            .fetch_all(connection)
            .await?;
    positions.sort_unstable();
    Ok(positions)
}

async fn position(
    connection: &mut PgConnection,
    of: ProjectionVersion,
    lane: i16,
) -> anyhow::Result<i64> {
    let positions = positions(connection, of).await?;
    let found = positions.into_iter().find(|(of, _)| *of == lane);
    found.map(|(_, position)| position).with_context(|| format!("{} has no such lane", of.schema()))
}

async fn compare_rows(
    connection: &mut PgConnection,
    one: ProjectionVersion,
    other: ProjectionVersion,
    table: &str,
    lane: i16,
) -> anyhow::Result<i64> {
    let (count, is_same): (i64, bool) =
        sqlx::query_as(include_str!("../../queries/checksum_table.sql"))
            .bind(one.schema())
            .bind(other.schema())
            .bind(table)
            .bind(lane)
            .fetch_one(&mut *connection)
            .await?;
    if is_same {
        return Ok(count);
    }
    let (schema, row): (String, String) =
        sqlx::query_as(include_str!("../../queries/first_difference.sql"))
            .bind(one.schema())
            .bind(other.schema())
            .bind(table)
            .bind(lane)
            .fetch_one(connection)
            .await?;
    bail!("table {table} differs in lane {lane}: only {schema} has {row}")
}
