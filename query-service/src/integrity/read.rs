//! The views' rows as the proof compares them, read one by one.

use chrono::{DateTime, Utc};
use shared_events::chain::Chain;
use shared_events::event::Figures;
use shared_events::lane::{Lane, Position, Version};
use shared_events::time::Timestamp;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use crate::database;
use crate::integrity::proof::Scope;
use crate::integrity::proof::rows::{DescribedRow, FigureRow, Members, MovementRow, told};
use crate::pipeline::checkpoint::Checkpoint;
use crate::projection::ProjectionVersion;

/// How far a lane is applied.
///
/// # Errors
/// The database is away, or the lane is not there.
pub async fn checkpoint(
    connection: &mut PgConnection,
    of: ProjectionVersion,
    lane: Lane,
) -> sqlx::Result<Checkpoint> {
    let (position, chain): (i64, Vec<u8>) =
        sqlx::query_as(include_str!("../../queries/get_checkpoint.sql"))
            .bind(of.name())
            .bind(of.version())
            .bind(database::lane_column(lane))
            .fetch_one(connection)
            .await?;
    let chain = chain.try_into().map_err(|_| sqlx::Error::Decode("a chain has 32 bytes".into()))?;
    Ok(Checkpoint { position: Position(position), chain: Chain(chain) })
}

/// The events of a lane that an operator had skipped.
///
/// # Errors
/// The database is away.
pub async fn skipped(
    connection: &mut PgConnection,
    of: ProjectionVersion,
    lane: Lane,
) -> sqlx::Result<Vec<Position>> {
    let positions: Vec<i64> = sqlx::query_scalar(include_str!("../../queries/list_skips.sql"))
        .bind(of.name())
        .bind(of.version())
        .bind(database::lane_column(lane))
        .fetch_all(connection)
        .await?;
    Ok(positions.into_iter().map(Position).collect())
}

/// The movements of a lane after a position, up to another, by position.
///
/// # Errors
/// The database is away.
pub async fn movements(
    connection: &mut PgConnection,
    lane: Lane,
    scope: &Scope,
    (after, upto): (Position, Position),
) -> sqlx::Result<Vec<MovementRow>> {
    let rows = sqlx::query(include_str!("../../queries/prove_movements.sql"))
        .bind(database::lane_column(lane))
        .bind(after.0)
        .bind(upto.0)
        .bind(sku(scope))
        .fetch_all(connection)
        .await?;
    rows.iter().map(movement).collect()
}

/// The first position of a lane with a movement that is not applied.
///
/// # Errors
/// The database is away.
pub async fn movement_beyond(
    connection: &mut PgConnection,
    lane: Lane,
    scope: &Scope,
    applied: Position,
) -> sqlx::Result<Option<Position>> {
    let position: Option<i64> =
        sqlx::query_scalar(include_str!("../../queries/prove_no_movement_beyond.sql"))
            .bind(database::lane_column(lane))
            .bind(applied.0)
            .bind(sku(scope))
            .fetch_one(connection)
            .await?;
    Ok(position.map(Position))
}

/// The sku that is asked for, if it is one.
pub fn sku(scope: &Scope) -> Option<&str> {
    match scope {
        Scope::Lane => None,
        Scope::Sku(sku) => Some(sku.as_str()),
    }
}

fn movement(row: &PgRow) -> sqlx::Result<MovementRow> {
    Ok(MovementRow {
        position: Position(row.try_get("position")?),
        sku: row.try_get("sku")?,
        location: row.try_get("location")?,
        event_type: row.try_get("type")?,
        reason: row.try_get("reason")?,
        reference_type: row.try_get("reference_type")?,
        reference_id: row.try_get("reference_id")?,
        reference_line: row.try_get("reference_line")?,
        actor: row.try_get("actor")?,
        correlation_id: row.try_get("correlation_id")?,
        occurred_at: moment(row, "occurred_at")?,
        recorded_at: moment(row, "recorded_at")?,
        after: figures(row, ["on_hand", "reserved", "allocated"])?,
        delta: figures(row, ["on_hand_delta", "reserved_delta", "allocated_delta"])?,
        version: Version(row.try_get("version")?),
        reservation: row.try_get("reservation")?,
        reservation_line: row.try_get("reservation_line")?,
        expires_at: row.try_get::<Option<DateTime<Utc>>, _>("expires_at")?.map(Timestamp::new),
    })
}

/// A row of `stock_levels`.
pub(super) fn level(row: &PgRow) -> sqlx::Result<FigureRow> {
    let location = row.try_get("location").map(Some)?;
    let reorder_point = row.try_get("reorder_point").map(Some)?;
    Ok(FigureRow { location, reorder_point, ..total(row)? })
}

/// A row of `stock_totals`.
pub(super) fn total(row: &PgRow) -> sqlx::Result<FigureRow> {
    Ok(FigureRow {
        sku: row.try_get("sku")?,
        location: None,
        figures: figures(row, ["on_hand", "reserved", "allocated"])?,
        reorder_point: None,
        version: Version(row.try_get("version")?),
        position: Position(row.try_get("position")?),
        updated_at: moment(row, "updated_at")?,
    })
}

/// A row of `items`.
pub(super) fn item(row: &PgRow) -> sqlx::Result<DescribedRow> {
    let members = vec![
        ("name", row.try_get("name")?),
        ("scale", row.try_get::<i16, _>("scale")?.to_string()),
        ("unit", row.try_get("unit")?),
        ("reorder_point", row.try_get::<i64, _>("reorder_point")?.to_string()),
        ("metadata", row.try_get("metadata")?),
    ];
    let stream = format!("item/{}", row.try_get::<&str, _>("sku")?);
    Ok(DescribedRow { retired: row.try_get("retired")?, ..described(row, stream, members)? })
}

/// A row of `locations`.
pub(super) fn location(row: &PgRow) -> sqlx::Result<DescribedRow> {
    let members = vec![
        ("name", row.try_get("name")?),
        ("kind", text(row, "kind")?),
        ("metadata", row.try_get("metadata")?),
    ];
    described(row, format!("location/{}", row.try_get::<&str, _>("code")?), members)
}

/// A row of `reservations`.
pub(super) fn reservation(row: &PgRow) -> sqlx::Result<DescribedRow> {
    let members = vec![
        ("owner", row.try_get("owner")?),
        ("status", row.try_get("status")?),
        ("expires_at", moment(row, "expires_at")?.to_string()),
        ("reference_type", text(row, "reference_type")?),
        ("reference_id", text(row, "reference_id")?),
        ("reference_line", text(row, "reference_line")?),
        ("lines", row.try_get("lines")?),
    ];
    let stream = format!("reservation/{}", row.try_get::<&str, _>("id")?);
    let made_at = moment(row, "made_at").map(Some)?;
    Ok(DescribedRow { made_at, ..described(row, stream, members)? })
}

fn described(row: &PgRow, stream: String, members: Members) -> sqlx::Result<DescribedRow> {
    Ok(DescribedRow {
        stream,
        version: Version(row.try_get("version")?),
        position: Position(row.try_get("position")?),
        updated_at: moment(row, "updated_at")?,
        made_at: None,
        retired: false,
        members,
    })
}

fn figures(row: &PgRow, [on_hand, reserved, allocated]: [&str; 3]) -> sqlx::Result<Figures> {
    Ok(Figures {
        on_hand: row.try_get(on_hand)?,
        reserved: row.try_get(reserved)?,
        allocated: row.try_get(allocated)?,
    })
}

fn moment(row: &PgRow, column: &str) -> sqlx::Result<Timestamp> {
    row.try_get(column).map(Timestamp::new)
}

fn text(row: &PgRow, column: &str) -> sqlx::Result<String> {
    Ok(told(row.try_get::<Option<String>, _>(column)?.as_ref()))
}
