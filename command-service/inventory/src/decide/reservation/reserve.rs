//! How a reservation begins.

use shared_events::event::Event;
use shared_events::reservation::{Reservation, ReservationLine, ReservationStatus};
use shared_events::time::Timestamp;

use super::{Draft, end_of_hold};
use crate::command::{Policy, ReserveStock};
use crate::decide::stock::check_lines;
use crate::ledger::Ledger;
use crate::rejection::Rejection;
use crate::working_set::Inventory;

pub(in super::super) fn reserve_stock(
    inventory: &Inventory,
    now: Timestamp,
    command: &ReserveStock,
) -> Result<Vec<Event>, Rejection> {
    let ledger = Ledger::new(inventory, now);
    check_lines(&ledger, &command.lines)?;
    let reservation = Reservation {
        id: command.id.clone(),
        owner: command.owner.clone(),
        status: ReservationStatus::Held,
        expires_at: end_of_hold(now, command.ttl_seconds),
        reference: command.cause.reference.clone(),
        lines: Vec::with_capacity(command.lines.len()),
    };
    let mut draft = Draft::new(ledger, reservation, &command.cause);
    for (number, line) in (1..).zip(&command.lines) {
        let quantity = match command.policy {
            Policy::All => line.quantity,
            Policy::Partial => {
                let figures = draft.ledger.figures(&line.sku, &line.location);
                line.quantity.min(figures.available().max(0))
            }
        };
        hold(
            &mut draft,
            ReservationLine {
                line: number,
                sku: line.sku.clone(),
                location: line.location.clone(),
                requested: line.quantity,
                quantity,
                released: 0,
                fulfilled: 0,
                returned: 0,
            },
        );
    }
    if draft.stock.is_empty() {
        // Not one line got anything, so each is short of what it asked for.
        for line in &command.lines {
            draft.ledger.hold(&line.sku, &line.location, line.quantity);
        }
    }
    draft.record(Event::ReservationHeld)
}

/// Adds a line, with the hold on its stock if it got anything.
fn hold(draft: &mut Draft<'_>, line: ReservationLine) {
    if line.quantity > 0 {
        let after = draft.ledger.hold(&line.sku, &line.location, line.quantity);
        draft.stock.push(Event::StockReserved(draft.held(&line, line.quantity, after)));
    }
    draft.reservation.lines.push(line);
}
