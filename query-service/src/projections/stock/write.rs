//! Writes what a batch changes into the tables of `stock`, one statement a table.

use serde::Serialize;
use shared_events::event::{Context, Reference};
use shared_events::lane::EventId;
use shared_events::values::{Code, Label, LocationCode};
use sqlx::PgConnection;

use crate::database::write_rows;
use crate::projections::stock::{Changes, TransferRow, Waiter, places};

/// Writes every table that has rows to write.
pub(super) async fn write(changes: &Changes, connection: &mut PgConnection) -> sqlx::Result<()> {
    write_catalogue(changes, connection).await?;
    write_stock(changes, connection).await?;
    write_movements(changes, connection).await?;
    write_reservations(changes, connection).await?;
    write_transfers(changes, connection).await?;
    write_waiters(changes, connection).await?;
    write_rows!(connection, "copy_reorder_points.sql", for one in &changes.reorder_points => {
        sku: one.sku.as_str(),
    });
    remove_redacted(changes, connection).await
}

/// Behind all else, for what was removed may be in rows of the same batch.
async fn remove_redacted(changes: &Changes, connection: &mut PgConnection) -> sqlx::Result<()> {
    let lane = |id: &EventId| i16::from(id.0);
    write_rows!(connection, "redact_movements.sql", for id in &changes.without_reference => {
        lane: lane(id),
        position: id.1.0,
    });
    write_rows!(connection, "redact_reservations.sql", for id in &changes.without_reference => {
        lane: lane(id),
        position: id.1.0,
    });
    write_rows!(connection, "redact_transfers.sql", for id in &changes.without_reference => {
        lane: lane(id),
        position: id.1.0,
    });
    write_rows!(connection, "redact_items.sql", for id in &changes.without_metadata => {
        lane: lane(id),
        position: id.1.0,
    });
    write_rows!(connection, "redact_locations.sql", for id in &changes.without_metadata => {
        lane: lane(id),
        position: id.1.0,
    });
    Ok(())
}

async fn write_catalogue(changes: &Changes, connection: &mut PgConnection) -> sqlx::Result<()> {
    write_rows!(connection, "upsert_items.sql", for (at, item) in changes.items.values() => {
        sku: item.sku.as_str(),
        lane: i16::from(at.lane),
        name: item.name.as_str(),
        scale: i16::from(item.scale),
        unit: item.unit.as_str(),
        reorder_point: item.reorder_point,
        metadata: metadata(item.context.as_ref()),
        version: at.version.0,
        position: at.position.0,
        updated_at: at.recorded_at.to_utc(),
    });
    write_rows!(connection, "retire_items.sql", for (sku, at) in &changes.retired => {
        sku: sku.as_str(),
        version: at.version.0,
        position: at.position.0,
        updated_at: at.recorded_at.to_utc(),
    });
    write_rows!(connection, "upsert_locations.sql", for (at, one) in changes.locations.values() => {
        code: one.code.as_str(),
        lane: i16::from(at.lane),
        name: one.name.as_str(),
        kind: one.kind.as_ref().map(Code::as_str),
        metadata: metadata(one.context.as_ref()),
        version: at.version.0,
        position: at.position.0,
        updated_at: at.recorded_at.to_utc(),
    });
    write_rows!(connection, "insert_names.sql", for one in &changes.names => {
        stream: one.stream.to_string(),
        position: one.at.position.0,
        lane: i16::from(one.at.lane),
        name: one.name.as_str(),
        occurred_at: one.occurred_at.to_utc(),
    });
    write_rows!(connection, "insert_reorder_points.sql", for one in &changes.reorder_points => {
        sku: one.sku.as_str(),
        position: one.at.position.0,
        lane: i16::from(one.at.lane),
        reorder_point: one.reorder_point,
        occurred_at: one.occurred_at.to_utc(),
    });
    Ok(())
}

async fn write_stock(changes: &Changes, connection: &mut PgConnection) -> sqlx::Result<()> {
    write_rows!(connection, "upsert_levels.sql", for (pair, (at, figures)) in &changes.levels => {
        sku: pair.0.as_str(),
        location: pair.1.as_str(),
        lane: i16::from(at.lane),
        on_hand: figures.on_hand,
        reserved: figures.reserved,
        allocated: figures.allocated,
        incoming: figures.incoming,
        waiting: figures.waiting,
        version: at.version.0,
        position: at.position.0,
        updated_at: at.recorded_at.to_utc(),
    });
    write_rows!(connection, "add_totals.sql", for (sku, total) in &changes.totals => {
        sku: sku.as_str(),
        lane: i16::from(total.at.lane),
        on_hand: total.delta.on_hand.to_string(),
        reserved: total.delta.reserved.to_string(),
        allocated: total.delta.allocated.to_string(),
        incoming: total.delta.incoming.to_string(),
        waiting: total.delta.waiting.to_string(),
        version: total.events,
        position: total.at.position.0,
        updated_at: total.at.recorded_at.to_utc(),
    });
    Ok(())
}

async fn write_movements(changes: &Changes, connection: &mut PgConnection) -> sqlx::Result<()> {
    write_rows!(connection, "insert_movements.sql", for one in &changes.movements => {
        lane: i16::from(one.at.lane),
        position: one.at.position.0,
        sku: one.sku.as_str(),
        location: one.location.as_str(),
        event_type: one.event_type,
        reason: one.cause.reason.as_ref().map(Code::as_str),
        reference_type: one.cause.reference.as_ref().map(|document| document.kind.as_str()),
        reference_id: one.cause.reference.as_ref().map(|document| document.id.as_str()),
        reference_line: reference_line(one.cause.reference.as_ref()),
        actor: one.actor.as_ref().map(Label::as_str),
        correlation_id: one.correlation_id.as_str(),
        occurred_at: one.occurred_at.to_utc(),
        recorded_at: one.at.recorded_at.to_utc(),
        on_hand: one.after.on_hand,
        reserved: one.after.reserved,
        allocated: one.after.allocated,
        on_hand_delta: one.delta.on_hand,
        reserved_delta: one.delta.reserved,
        allocated_delta: one.delta.allocated,
        version: one.at.version.0,
        reservation: one.promise.as_ref().map(|(reservation, _, _)| reservation.as_str()),
        reservation_line: one.promise.as_ref().map(|(_, line, _)| i64::from(*line)),
        expires_at: one.promise.as_ref().and_then(|(_, _, expires_at)| Some(expires_at.as_ref()?.to_utc())),
        incoming: one.after.incoming,
        incoming_delta: one.delta.incoming,
        transfer: one.transfer.as_ref().map(|(transfer, _)| transfer.as_str()),
        transfer_line: one.transfer.as_ref().map(|(_, line)| i64::from(*line)),
        waiting: one.after.waiting,
        waiting_delta: one.delta.waiting,
    });
    Ok(())
}

async fn write_reservations(changes: &Changes, connection: &mut PgConnection) -> sqlx::Result<()> {
    let rows = changes.reservations.values();
    write_rows!(connection, "upsert_reservations.sql", for row in rows => {
        id: row.reservation.id.as_str(),
        lane: i16::from(row.at.lane),
        owner: row.reservation.owner.as_str(),
        status: row.reservation.status.as_str(),
        expires_at: row.reservation.expires_at.to_utc(),
        reference_type: row.reservation.reference.as_ref().map(|document| document.kind.as_str()),
        reference_id: row.reservation.reference.as_ref().map(|document| document.id.as_str()),
        reference_line: reference_line(row.reservation.reference.as_ref()),
        lines: json(&row.reservation.lines),
        made_at: row.made_at.to_utc(),
        version: row.at.version.0,
        position: row.at.position.0,
        updated_at: row.at.recorded_at.to_utc(),
        wait_until: row.reservation.wait_until.map(|moment| moment.to_utc()),
        priority: row.reservation.priority.map(i16::from),
    });
    Ok(())
}

/// The queue of a pair is ordered by (turn, since).
pub fn turn(priority: u8) -> i16 {
    9 - i16::from(priority)
}

async fn write_waiters(changes: &Changes, connection: &mut PgConnection) -> sqlx::Result<()> {
    let (mut new, mut changed, mut gone) = (Vec::new(), Vec::new(), Vec::new());
    for ((reservation, line), waiter) in &changes.waiters {
        let key = (reservation.as_str(), i64::from(*line));
        match waiter {
            Waiter::New(one) => new.push((key, &**one)),
            Waiter::Changed(state) => changed.push((key, state)),
            Waiter::Gone => gone.push(key),
        }
    }
    write_rows!(connection, "insert_waiters.sql", for ((reservation, line), one) in new => {
        reservation: reservation,
        line: line,
        sku: one.sku.as_str(),
        location: one.location.as_str(),
        owner: one.owner.as_str(),
        turn: turn(one.state.priority.unwrap_or_default()),
        waiting: one.state.waiting,
        since: one.since.position.0,
        since_at: one.since.recorded_at.to_utc(),
        wait_until: one.state.wait_until.to_utc(),
        lane: i16::from(one.since.lane),
        version: one.state.at.version.0,
        position: one.state.at.position.0,
        updated_at: one.state.at.recorded_at.to_utc(),
    });
    write_rows!(connection, "update_waiters.sql", for ((reservation, line), state) in changed => {
        reservation: reservation,
        line: line,
        waiting: state.waiting,
        turn: state.priority.map(turn),
        wait_until: state.wait_until.to_utc(),
        version: state.at.version.0,
        position: state.at.position.0,
        updated_at: state.at.recorded_at.to_utc(),
    });
    write_rows!(connection, "delete_waiters.sql", for (reservation, line) in gone => {
        reservation: reservation,
        line: line,
    });
    Ok(())
}

async fn write_transfers(changes: &Changes, connection: &mut PgConnection) -> sqlx::Result<()> {
    let rows = changes.transfers.values();
    write_rows!(connection, "upsert_transfers.sql", for row in rows => {
        id: row.transfer.id.as_str(),
        lane: i16::from(row.at.lane),
        status: row.transfer.status.as_str(),
        expected_at: row.transfer.expected_at.map(|moment| moment.to_utc()),
        overdue: row.transfer.overdue,
        reference_type: row.transfer.reference.as_ref().map(|document| document.kind.as_str()),
        reference_id: row.transfer.reference.as_ref().map(|document| document.id.as_str()),
        reference_line: reference_line(row.transfer.reference.as_ref()),
        lines: json(&row.transfer.lines),
        made_at: row.made_at.to_utc(),
        version: row.at.version.0,
        position: row.at.position.0,
        updated_at: row.at.recorded_at.to_utc(),
    });
    let of_row = |row: &TransferRow| {
        let (id, lane) = (row.transfer.id.to_string(), i16::from(row.at.lane));
        let place = |(leaves, location): (bool, &LocationCode)| {
            (id.clone(), lane, leaves, location.to_string())
        };
        places(&row.transfer).into_iter().map(place).collect::<Vec<_>>()
    };
    let places = changes.transfers.values().flat_map(of_row);
    write_rows!(connection, "insert_transfer_places.sql", for (id, lane, leaves, location) in places => {
        id: id,
        lane: lane,
        leaves: leaves,
        location: location,
    });
    Ok(())
}

fn reference_line(reference: Option<&Reference>) -> Option<&str> {
    reference?.line.as_ref().map(Label::as_str)
}

/// The free names and values of a description.
fn metadata(context: Option<&Context>) -> String {
    context.map_or_else(|| "{}".to_owned(), |context| json(&context.metadata))
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("text and integers are always JSON")
}
