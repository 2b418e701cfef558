//! Compares two versions of a projection row by row, lane by lane, while both are written.

use std::time::Duration;

use anyhow::{Context, bail};
use sqlx::Connection;
use sqlx::postgres::PgConnection;
use tokio::time::Instant;

use crate::projection::ProjectionVersion;
use crate::rebuild::say;

/// How long a lane may take until both versions are seen at the same position.
const MEET_MAX: Duration = Duration::from_secs(60);

/// How soon it is looked again.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Gives how many rows were compared, and fails with the first that differs.
///
/// Every row is written from one lane. So each lane is compared at a moment at which both versions are
/// at the same position of it: in one snapshot, which holds up nobody.
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
                say(&format!("lane {lane} is equal at {first}"))?;
                break;
            }
            drop(snapshot);
            if Instant::now() > deadline {
                bail!("lane {lane} never is at one position in both; last {first} and {second}");
            }
            tokio::time::sleep(LOOK_AGAIN).await;
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
