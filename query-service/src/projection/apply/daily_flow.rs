//! Writes what a batch changes into the tables of `daily_flow`, one statement a table.

use sqlx::PgConnection;

use crate::projection::apply::columns::{Places, column};
use crate::projection::daily_flow::Changes;

/// Writes every table that has rows to write, inside the caller's transaction.
///
/// # Errors
/// Postgres refused a value, or is away.
pub(super) async fn write(changes: &Changes, connection: &mut PgConnection) -> sqlx::Result<()> {
    if !changes.items.is_empty() {
        write_items(changes, connection).await?;
    }
    if !changes.days.is_empty() {
        write_days(changes, connection).await?;
    }
    Ok(())
}

async fn write_items(changes: &Changes, connection: &mut PgConnection) -> sqlx::Result<()> {
    let places = Places::of(changes.items.values().map(|counted| &counted.place));
    sqlx::query(include_str!("../../../queries/add_flow_items.sql"))
        .bind(column(changes.items.keys().map(|sku| sku.as_str())))
        .bind(places.lanes)
        .bind(column(changes.items.values().map(|counted| counted.events)))
        .bind(places.positions)
        .bind(places.recorded_at)
        .execute(connection)
        .await?;
    Ok(())
}

async fn write_days(changes: &Changes, connection: &mut PgConnection) -> sqlx::Result<()> {
    let places = Places::of(changes.days.values().map(|(place, _)| place));
    let flows = || changes.days.values().map(|(_, flow)| flow);
    sqlx::query(include_str!("../../../queries/add_flow_days.sql"))
        .bind(column(changes.days.keys().map(|(sku, _)| sku.as_str())))
        .bind(column(changes.days.keys().map(|(_, day)| *day)))
        .bind(places.lanes)
        .bind(column(flows().map(|flow| flow.incoming)))
        .bind(column(flows().map(|flow| flow.outgoing)))
        .bind(column(flows().map(|flow| flow.returned)))
        .bind(column(flows().map(|flow| flow.adjusted)))
        .bind(places.positions)
        .execute(connection)
        .await?;
    Ok(())
}
