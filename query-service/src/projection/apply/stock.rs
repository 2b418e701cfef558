//! Writes what a batch changes into the tables of `stock`, one statement a table.

use shared_events::event::{Context, Figures, Reference};
use shared_events::reservation::ReservationLine;
use shared_events::values::{Code, Label};
use sqlx::PgConnection;

use crate::projection::apply::columns::{Places, column};
use crate::projection::stock::Changes;

/// Writes every table that has rows to write, inside the caller's transaction.
///
/// # Errors
/// Postgres refused a value, or is away.
pub(super) async fn write(changes: &Changes, connection: &mut PgConnection) -> sqlx::Result<()> {
    if !changes.items.is_empty() {
        write_items(changes, connection).await?;
    }
    if !changes.retired.is_empty() {
        retire_items(changes, connection).await?;
    }
    if !changes.locations.is_empty() {
        write_locations(changes, connection).await?;
    }
    if !changes.names.is_empty() {
        write_names(changes, connection).await?;
    }
    if !changes.levels.is_empty() {
        write_levels(changes, connection).await?;
        write_totals(changes, connection).await?;
        write_movements(changes, connection).await?;
    }
    if !changes.reservations.is_empty() {
        write_reservations(changes, connection).await?;
    }
    if !changes.items.is_empty() {
        sqlx::query(include_str!("../../../queries/copy_reorder_points.sql"))
            .bind(column(changes.items.keys().map(|sku| sku.as_str())))
            .execute(connection)
            .await?;
    }
    Ok(())
}

async fn write_items(changes: &Changes, connection: &mut PgConnection) -> sqlx::Result<()> {
    let places = Places::of(changes.items.values().map(|(place, _)| place));
    let items = || changes.items.values().map(|(_, item)| item);
    sqlx::query(include_str!("../../../queries/upsert_items.sql"))
        .bind(column(items().map(|item| item.sku.as_str())))
        .bind(places.lanes)
        .bind(column(items().map(|item| item.name.as_str())))
        .bind(column(items().map(|item| i16::from(item.scale))))
        .bind(column(items().map(|item| item.unit.as_str())))
        .bind(column(items().map(|item| item.reorder_point)))
        .bind(column(items().map(|item| metadata(item.context.as_ref()))))
        .bind(places.versions)
        .bind(places.positions)
        .bind(places.recorded_at)
        .execute(connection)
        .await?;
    Ok(())
}

async fn retire_items(changes: &Changes, connection: &mut PgConnection) -> sqlx::Result<()> {
    let places = Places::of(changes.retired.values());
    sqlx::query(include_str!("../../../queries/retire_items.sql"))
        .bind(column(changes.retired.keys().map(|sku| sku.as_str())))
        .bind(places.versions)
        .bind(places.positions)
        .bind(places.recorded_at)
        .execute(connection)
        .await?;
    Ok(())
}

async fn write_locations(changes: &Changes, connection: &mut PgConnection) -> sqlx::Result<()> {
    let places = Places::of(changes.locations.values().map(|(place, _)| place));
    let locations = || changes.locations.values().map(|(_, location)| location);
    sqlx::query(include_str!("../../../queries/upsert_locations.sql"))
        .bind(column(locations().map(|one| one.code.as_str())))
        .bind(places.lanes)
        .bind(column(locations().map(|one| one.name.as_str())))
        .bind(column(locations().map(|one| code(one.kind.as_ref()))))
        .bind(column(locations().map(|one| metadata(one.context.as_ref()))))
        .bind(places.versions)
        .bind(places.positions)
        .bind(places.recorded_at)
        .execute(connection)
        .await?;
    Ok(())
}

async fn write_levels(changes: &Changes, connection: &mut PgConnection) -> sqlx::Result<()> {
    let places = Places::of(changes.levels.values().map(|(place, _)| place));
    let figures = Columns::of(changes.levels.values().map(|(_, figures)| *figures));
    let pairs = || changes.levels.keys();
    sqlx::query(include_str!("../../../queries/upsert_stock_levels.sql"))
        .bind(column(pairs().map(|(sku, _)| sku.as_str())))
        .bind(column(pairs().map(|(_, location)| location.as_str())))
        .bind(places.lanes)
        .bind(figures.on_hand)
        .bind(figures.reserved)
        .bind(figures.allocated)
        .bind(places.versions)
        .bind(places.positions)
        .bind(places.recorded_at)
        .execute(connection)
        .await?;
    Ok(())
}

async fn write_totals(changes: &Changes, connection: &mut PgConnection) -> sqlx::Result<()> {
    let places = Places::of(changes.totals.values().map(|total| &total.place));
    let added = Columns::of(changes.totals.values().map(|total| total.delta));
    sqlx::query(include_str!("../../../queries/add_stock_totals.sql"))
        .bind(column(changes.totals.keys().map(|sku| sku.as_str())))
        .bind(places.lanes)
        .bind(added.on_hand)
        .bind(added.reserved)
        .bind(added.allocated)
        .bind(column(changes.totals.values().map(|total| total.events)))
        .bind(places.positions)
        .bind(places.recorded_at)
        .execute(connection)
        .await?;
    Ok(())
}

async fn write_movements(changes: &Changes, connection: &mut PgConnection) -> sqlx::Result<()> {
    let places = Places::of(changes.movements.iter().map(|one| &one.place));
    let after = Columns::of(changes.movements.iter().map(|one| one.after));
    let delta = Columns::of(changes.movements.iter().map(|one| one.delta));
    let movements = || changes.movements.iter();
    let promises = || movements().map(|one| one.promise.as_ref());
    let references = References::of(movements().map(|one| one.cause.reference.as_ref()));
    sqlx::query(include_str!("../../../queries/insert_movements.sql"))
        .bind(places.lanes)
        .bind(places.positions)
        .bind(column(movements().map(|one| one.sku.as_str())))
        .bind(column(movements().map(|one| one.location.as_str())))
        .bind(column(movements().map(|one| one.event_type)))
        .bind(column(movements().map(|one| code(one.cause.reason.as_ref()))))
        .bind(references.kinds)
        .bind(references.ids)
        .bind(references.lines)
        .bind(column(movements().map(|one| label(one.actor.as_ref()))))
        .bind(column(movements().map(|one| one.correlation_id.as_str())))
        .bind(column(movements().map(|one| one.occurred_at.to_utc())))
        .bind(places.recorded_at)
        .bind(after.on_hand)
        .bind(after.reserved)
        .bind(after.allocated)
        .bind(delta.on_hand)
        .bind(delta.reserved)
        .bind(delta.allocated)
        .bind(places.versions)
        .bind(column(promises().map(|one| Some(one?.reservation.as_str()))))
        .bind(column(promises().map(|one| Some(i64::from(one?.line)))))
        .bind(column(promises().map(|one| Some(one?.expires_at?.to_utc()))))
        .execute(connection)
        .await?;
    Ok(())
}

async fn write_names(changes: &Changes, connection: &mut PgConnection) -> sqlx::Result<()> {
    let places = Places::of(changes.names.iter().map(|one| &one.place));
    sqlx::query(include_str!("../../../queries/insert_names.sql"))
        .bind(column(changes.names.iter().map(|one| one.stream.to_string())))
        .bind(places.positions)
        .bind(places.lanes)
        .bind(column(changes.names.iter().map(|one| one.name.as_str())))
        .execute(connection)
        .await?;
    Ok(())
}

async fn write_reservations(changes: &Changes, connection: &mut PgConnection) -> sqlx::Result<()> {
    let rows = || changes.reservations.values();
    let reservations = || rows().map(|row| &row.reservation);
    let places = Places::of(rows().map(|row| &row.place));
    let references = References::of(reservations().map(|one| one.reference.as_ref()));
    sqlx::query(include_str!("../../../queries/upsert_reservations.sql"))
        .bind(column(reservations().map(|one| one.id.as_str())))
        .bind(places.lanes)
        .bind(column(reservations().map(|one| one.owner.as_str())))
        .bind(column(reservations().map(|one| one.status.as_str())))
        .bind(column(reservations().map(|one| one.expires_at.to_utc())))
        .bind(references.kinds)
        .bind(references.ids)
        .bind(references.lines)
        .bind(column(reservations().map(|one| reservation_lines(&one.lines))))
        .bind(column(rows().map(|row| row.made_at.to_utc())))
        .bind(places.versions)
        .bind(places.positions)
        .bind(places.recorded_at)
        .execute(connection)
        .await?;
    Ok(())
}

/// Figures, a column each.
struct Columns {
    on_hand: Vec<i64>,
    reserved: Vec<i64>,
    allocated: Vec<i64>,
}

impl Columns {
    fn of(figures: impl Iterator<Item = Figures> + Clone) -> Self {
        let each = || figures.clone();
        Self {
            on_hand: column(each().map(|one| one.on_hand)),
            reserved: column(each().map(|one| one.reserved)),
            allocated: column(each().map(|one| one.allocated)),
        }
    }
}

/// Outside documents, a column each for their parts; null where there is none.
struct References<'a> {
    kinds: Vec<Option<&'a str>>,
    ids: Vec<Option<&'a str>>,
    lines: Vec<Option<&'a str>>,
}

impl<'a> References<'a> {
    fn of(references: impl Iterator<Item = Option<&'a Reference>> + Clone) -> Self {
        let each = || references.clone();
        Self {
            kinds: column(each().map(|one| one.map(|one| one.kind.as_str()))),
            ids: column(each().map(|one| one.map(|one| one.id.as_str()))),
            lines: column(each().map(|one| label(one?.line.as_ref()))),
        }
    }
}

fn code(code: Option<&Code>) -> Option<&str> {
    code.map(Code::as_str)
}

fn label(label: Option<&Label>) -> Option<&str> {
    label.map(Label::as_str)
}

/// The free names and values of a description, as JSON.
fn metadata(context: Option<&Context>) -> String {
    let Some(context) = context else {
        return "{}".to_owned();
    };
    serde_json::to_string(&context.metadata).expect("a map of text to text is always JSON")
}

/// The lines of a reservation, as JSON.
fn reservation_lines(lines: &[ReservationLine]) -> String {
    serde_json::to_string(lines).expect("a list of text and integers is always JSON")
}
