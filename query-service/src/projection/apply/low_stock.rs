//! Plays what a batch changes over the tables of `low_stock`, and puts the alerts that come about into
//! the outbox.

use std::collections::BTreeMap;

use shared_events::lane::{Lane, Position};
use shared_events::time::Timestamp;
use shared_events::values::{LocationCode, Sku, ValueError};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use crate::database;
use crate::projection::apply::columns::{Places, column};
use crate::projection::low_stock::{Alert, Changes, Item, Level, settle};
use crate::projection::plan::Advance;

/// The items that a batch is about.
type Items = BTreeMap<Sku, Item>;

/// Reads what is stored of the batch's items, plays the changes over it, and writes it back, inside
/// the caller's transaction. The lanes' checkpoints are locked, so nobody else writes these rows.
///
/// # Errors
/// Postgres refused a value, or is away.
pub(super) async fn write(
    changes: &Changes,
    advances: &[Advance],
    connection: &mut PgConnection,
) -> sqlx::Result<()> {
    let mut alerts = Vec::new();
    if !changes.items.is_empty() {
        let mut items = load(changes, connection).await?;
        for (sku, changed) in &changes.items {
            let item = items.entry(sku.clone()).or_default();
            alerts.extend(settle(sku, item, changed));
        }
        write_items(&items, connection).await?;
        write_levels(&items, connection).await?;
    }
    let marks = move_marks(advances, connection).await?;
    alerts.retain(|alert| marks.get(&alert.place.lane) < Some(&alert.place.position));
    if !alerts.is_empty() {
        write_alerts(&alerts, connection).await?;
    }
    Ok(())
}

async fn load(changes: &Changes, connection: &mut PgConnection) -> sqlx::Result<Items> {
    let skus = column(changes.items.keys().map(|sku| sku.as_str()));
    let points: Vec<(String, i64)> =
        sqlx::query_as(include_str!("../../../queries/load_reorder_points.sql"))
            .bind(&skus)
            .fetch_all(&mut *connection)
            .await?;
    let levels = sqlx::query(include_str!("../../../queries/load_alert_levels.sql"))
        .bind(&skus)
        .fetch_all(connection)
        .await?;
    let mut items = Items::new();
    for (sku, reorder_point) in points {
        items.entry(stored(sku)?).or_default().reorder_point = (None, reorder_point);
    }
    for row in &levels {
        let item = items.entry(stored(row.try_get("sku")?)?).or_default();
        let location: LocationCode = stored(row.try_get("location")?)?;
        item.levels.insert(location, level(row)?);
    }
    Ok(items)
}

/// A value as it was stored, which has passed its rules before.
fn stored<T: std::str::FromStr<Err = ValueError>>(text: String) -> sqlx::Result<T> {
    text.parse().map_err(|error: ValueError| sqlx::Error::Decode(error.into()))
}

fn level(row: &PgRow) -> sqlx::Result<Level> {
    let alert_position = row.try_get::<Option<i64>, _>("alert_position")?.map(Position);
    let alerted_at = row.try_get::<Option<_>, _>("alerted_at")?.map(Timestamp::new);
    Ok(Level {
        lane: database::lane(row.try_get("lane")?),
        position: Position(row.try_get("position")?),
        updated_at: row.try_get("updated_at").map(Timestamp::new)?,
        available: row.try_get("available")?,
        raised: row.try_get("raised")?,
        alert: alert_position.zip(alerted_at),
    })
}

async fn write_items(items: &Items, connection: &mut PgConnection) -> sqlx::Result<()> {
    let set = || {
        let items = items.iter();
        items.filter_map(|(sku, item)| Some((sku, item.reorder_point.0?, item.reorder_point.1)))
    };
    if set().next().is_none() {
        return Ok(());
    }
    sqlx::query(include_str!("../../../queries/upsert_reorder_points.sql"))
        .bind(column(set().map(|(sku, _, _)| sku.as_str())))
        .bind(column(set().map(|(_, place, _)| database::lane_column(place.lane))))
        .bind(column(set().map(|(_, _, reorder_point)| reorder_point)))
        .bind(column(set().map(|(_, place, _)| place.position.0)))
        .execute(connection)
        .await?;
    Ok(())
}

async fn write_levels(items: &Items, connection: &mut PgConnection) -> sqlx::Result<()> {
    let pairs = || {
        let items = items.iter();
        items.flat_map(|(sku, item)| item.levels.iter().map(move |(at, level)| (sku, at, level)))
    };
    let levels = || pairs().map(|(_, _, level)| level);
    let alerted = || levels().map(|level| level.alert);
    sqlx::query(include_str!("../../../queries/upsert_alert_levels.sql"))
        .bind(column(pairs().map(|(sku, _, _)| sku.as_str())))
        .bind(column(pairs().map(|(_, location, _)| location.as_str())))
        .bind(column(levels().map(|level| database::lane_column(level.lane))))
        .bind(column(levels().map(|level| level.available)))
        .bind(column(levels().map(|level| level.raised)))
        .bind(column(alerted().map(|alert| alert.map(|(position, _)| position.0))))
        .bind(column(alerted().map(|alert| alert.map(|(_, at)| at.to_utc()))))
        .bind(column(levels().map(|level| level.position.0)))
        .bind(column(levels().map(|level| level.updated_at.to_utc())))
        .execute(connection)
        .await?;
    Ok(())
}

/// Moves the marks of the batch's lanes to its end, and says where each was: alerts up to there were
/// put into the outbox before, by this version or another.
async fn move_marks(
    advances: &[Advance],
    connection: &mut PgConnection,
) -> sqlx::Result<BTreeMap<Lane, Position>> {
    let marks: Vec<(i16, i64)> =
        sqlx::query_as(include_str!("../../../queries/move_alert_marks.sql"))
            .bind(column(advances.iter().map(|one| database::lane_column(one.lane))))
            .bind(column(advances.iter().map(|one| one.after.position.0)))
            .fetch_all(connection)
            .await?;
    let mark = |(lane, position)| (database::lane(lane), Position(position));
    Ok(marks.into_iter().map(mark).collect())
}

async fn write_alerts(alerts: &[Alert], connection: &mut PgConnection) -> sqlx::Result<()> {
    let places = Places::of(alerts.iter().map(|alert| &alert.place));
    let alerts = || alerts.iter();
    sqlx::query(include_str!("../../../queries/insert_alerts.sql"))
        .bind(places.lanes)
        .bind(places.positions)
        .bind(column(alerts().map(|alert| alert.sku.as_str())))
        .bind(column(alerts().map(|alert| alert.location.as_str())))
        .bind(column(alerts().map(|alert| alert.raised)))
        .bind(column(alerts().map(|alert| alert.available)))
        .bind(column(alerts().map(|alert| alert.reorder_point)))
        .bind(places.recorded_at)
        .execute(connection)
        .await?;
    Ok(())
}
