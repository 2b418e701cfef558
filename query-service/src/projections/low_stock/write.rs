//! Applies a batch to the tables of `low_stock`, and puts the alerts that follow into the outbox.

use std::collections::BTreeMap;

use shared_events::lane::{Lane, Position};
use shared_events::time::Timestamp;
use shared_events::values::{Sku, ValueError};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use crate::database::{self, write_rows};
use crate::projection::EventPosition;
use crate::projections::low_stock::fold::{Alert, Changes, Item, Level, evaluate};

type Items = BTreeMap<Sku, Item>;

/// Reads the stored rows of the batch's items, applies the changes in order and writes the rows
/// back. The locked checkpoints keep other instances away from these rows.
pub(super) async fn write(
    changes: &Changes,
    ends: &BTreeMap<Lane, Position>,
    connection: &mut PgConnection,
) -> sqlx::Result<()> {
    let mut alerts = Vec::new();
    if !changes.items.is_empty() {
        let mut items = load(changes, connection).await?;
        for (sku, of_item) in &changes.items {
            alerts.extend(evaluate(sku, items.entry(sku.clone()).or_default(), of_item));
        }
        write_items(&items, connection).await?;
        write_levels(&items, connection).await?;
    }
    let marks = move_marks(ends, connection).await?;
    let is_new = |at: EventPosition| marks.get(&at.lane) < Some(&at.position);
    alerts.retain(|alert| is_new(alert.at));
    write_alerts(&alerts, connection).await?;
    let overdue = changes.overdue.iter().filter(|one| is_new(one.at));
    write_rows!(connection, "insert_overdue.sql", for one in overdue => {
        lane: i16::from(one.at.lane),
        position: one.at.position.0,
        transfer: one.transfer.as_str(),
        expected_at: one.expected_at.to_utc(),
        recorded_at: one.at.recorded_at.to_utc(),
        reference_type: one.reference.as_ref().map(|document| document.kind.as_str()),
        reference_id: one.reference.as_ref().map(|document| document.id.as_str()),
        reference_line: one.reference.as_ref().and_then(|document| Some(document.line.as_ref()?.as_str())),
    });
    let stuck = changes.stuck.iter().filter(|one| is_new(one.at));
    write_rows!(connection, "insert_order_alerts.sql", for one in stuck => {
        lane: i16::from(one.at.lane),
        position: one.at.position.0,
        order: one.order.as_str(),
        step: one.step.as_str(),
        recorded_at: one.at.recorded_at.to_utc(),
    });
    Ok(())
}

async fn load(changes: &Changes, connection: &mut PgConnection) -> sqlx::Result<Items> {
    let skus: Vec<&str> = changes.items.keys().map(Sku::as_str).collect();
    let mut items = Items::new();
    let points: Vec<(String, i64)> = sqlx::query_as(include_str!("load_reorder_points.sql"))
        .bind(&skus)
        .fetch_all(&mut *connection)
        .await?;
    for (sku, reorder_point) in points {
        items.entry(stored(sku)?).or_default().reorder_point = (None, reorder_point);
    }
    let levels =
        sqlx::query(include_str!("load_levels.sql")).bind(&skus).fetch_all(connection).await?;
    for row in &levels {
        let item = items.entry(stored(row.try_get("sku")?)?).or_default();
        item.levels.insert(stored(row.try_get("location")?)?, level(row)?);
    }
    Ok(items)
}

/// A stored value, which passed its rules when it was written.
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

/// Writes the reorder points that the batch changed.
async fn write_items(items: &Items, connection: &mut PgConnection) -> sqlx::Result<()> {
    let changed =
        |(sku, item): (_, &Item)| Some((sku, item.reorder_point.0?, item.reorder_point.1));
    let changed: Vec<(&Sku, _, _)> = items.iter().filter_map(changed).collect();
    write_rows!(connection, "upsert_reorder_points.sql", for (sku, at, reorder_point) in changed => {
        sku: sku.as_str(),
        lane: i16::from(at.lane),
        reorder_point: reorder_point,
        position: at.position.0,
    });
    Ok(())
}

async fn write_levels(items: &Items, connection: &mut PgConnection) -> sqlx::Result<()> {
    let levels = items
        .iter()
        .flat_map(|(sku, item)| item.levels.iter().map(move |(at, level)| (sku, at, level)));
    write_rows!(connection, "upsert_levels.sql", for (sku, location, level) in levels => {
        sku: sku.as_str(),
        location: location.as_str(),
        lane: i16::from(level.lane),
        available: level.available,
        raised: level.raised,
        alert_position: level.alert.map(|(position, _)| position.0),
        alerted_at: level.alert.map(|(_, at)| at.to_utc()),
        position: level.position.0,
        updated_at: level.updated_at.to_utc(),
    });
    Ok(())
}

/// Moves the marks of the batch's lanes to the end of the batch and returns where each was. Alerts up
/// to there are in the outbox already, from this version or another.
async fn move_marks(
    ends: &BTreeMap<Lane, Position>,
    connection: &mut PgConnection,
) -> sqlx::Result<BTreeMap<Lane, Position>> {
    let (lanes, positions): (Vec<i16>, Vec<i64>) =
        ends.iter().map(|(lane, end)| (i16::from(*lane), end.0)).unzip();
    let marks: Vec<(i16, i64)> = sqlx::query_as(include_str!("move_marks.sql"))
        .bind(lanes)
        .bind(positions)
        .fetch_all(connection)
        .await?;
    let mark = |(lane, position)| (database::lane(lane), Position(position));
    Ok(marks.into_iter().map(mark).collect())
}

async fn write_alerts(alerts: &[Alert], connection: &mut PgConnection) -> sqlx::Result<()> {
    write_rows!(connection, "insert_alerts.sql", for alert in alerts => {
        lane: i16::from(alert.at.lane),
        position: alert.at.position.0,
        sku: alert.sku.as_str(),
        location: alert.location.as_str(),
        raised: alert.raised,
        available: alert.available,
        reorder_point: alert.reorder_point,
        recorded_at: alert.at.recorded_at.to_utc(),
    });
    Ok(())
}
