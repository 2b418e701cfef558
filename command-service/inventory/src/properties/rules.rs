//! Invariants after any command.

use std::collections::HashMap;

use shared_events::event::{Event, Figures};
use shared_events::reservation::{Reservation, ReservationStatus};
use shared_events::time::Timestamp;

use crate::*;

/// Expired holds come first and never alone.
pub(super) fn check_order(events: &[Event]) {
    let is_expiry = |event: &Event| matches!(event, Event::StockHoldExpired(_));
    let own: Vec<_> = events.iter().skip_while(|event| is_expiry(event)).collect();
    assert!(!own.iter().any(|event| is_expiry(event)), "{events:?}");
    assert!(events.is_empty() || !own.is_empty(), "{events:?}");
}

/// An event carries its change and the figures after it. No figure is ever negative, and available
/// becomes negative only through an accepted shortage.
pub(super) fn check_change(inventory: &Inventory, command: &Command, event: &Event) {
    let Some(change) = event.stock_change() else { return };
    let before = inventory.stock(change.sku, change.location).figures;
    let after = change.after;
    let sum = Figures {
        on_hand: before.on_hand + change.delta.on_hand,
        reserved: before.reserved + change.delta.reserved,
        allocated: before.allocated + change.delta.allocated,
    };
    assert_eq!(sum, after, "{event:?}");
    assert!(after.on_hand >= 0 && after.reserved >= 0 && after.allocated >= 0, "{event:?}");
    let accepts_shortage = match command {
        Command::AdjustStock(adjust) => adjust.accept_shortage,
        Command::SetStock(set) => set.accept_shortage,
        _ => false,
    };
    let is_less = after.available() < before.available();
    assert!(after.available() >= 0 || accepts_shortage || !is_less, "{event:?}");
    if let Event::StockAdjusted(adjusted) = event {
        assert_eq!(adjusted.shortage, after.available() < 0);
    }
}

/// Reserved and allocated are the open quantities of the reservations, except for holds that ended
/// before their reservation did.
pub(super) fn check_reservations(inventory: &Inventory, now: Timestamp) {
    let mut open: HashMap<_, (i64, i64)> = HashMap::new();
    let mut stocks = Vec::new();
    for state in inventory.clone().into_states() {
        match state {
            StreamState::Stock(key, stock) => stocks.push((key, stock)),
            StreamState::Reservation(_, state) => {
                let reservation = state.details.expect("a reservation has details");
                check_status(&reservation);
                for line in &reservation.lines {
                    let hold = Hold::new(reservation.expires_at, &reservation.id, line.line);
                    let held = inventory.stock(&line.sku, &line.location).holds.quantity(&hold);
                    let key = (line.sku.clone(), line.location.clone());
                    let (reserved, allocated) = open.entry(key).or_default();
                    if reservation.status == ReservationStatus::Confirmed {
                        *allocated += line.open();
                    }
                    let has_expired = held == 0 && reservation.expires_at <= now;
                    if reservation.status == ReservationStatus::Held && !has_expired {
                        assert_eq!(held, line.open(), "{line:?}");
                        *reserved += held;
                    }
                }
            }
            StreamState::Item(..) | StreamState::Location(..) => {}
        }
    }
    for (key, stock) in stocks {
        let (reserved, allocated) = open.remove(&key).unwrap_or_default();
        assert_eq!((stock.figures.reserved, stock.figures.allocated), (reserved, allocated));
        let holds: Vec<(Hold, i64)> = stock.holds.into();
        assert!(holds.iter().all(|(_, quantity)| *quantity > 0), "{holds:?}");
        assert_eq!(reserved, holds.iter().map(|(_, quantity)| quantity).sum::<i64>());
    }
    assert!(open.values().all(|open| *open == (0, 0)), "{open:?}");
}

/// The status matches the open and fulfilled quantities, and no line exceeds its quantity.
fn check_status(reservation: &Reservation) {
    for line in &reservation.lines {
        assert!(line.released >= 0 && line.fulfilled >= 0 && line.returned >= 0, "{line:?}");
        assert!(line.open() >= 0 && line.returnable() >= 0, "{line:?}");
        assert!(line.quantity <= line.requested, "{line:?}");
    }
    let is_open = reservation.lines.iter().any(|line| line.open() > 0);
    let went_out = reservation.lines.iter().any(|line| line.fulfilled > 0);
    let fits = match reservation.status {
        ReservationStatus::Held => is_open && !went_out,
        ReservationStatus::Confirmed => is_open,
        ReservationStatus::Fulfilled => !is_open && went_out,
        ReservationStatus::Released | ReservationStatus::Expired | ReservationStatus::Cancelled => {
            !is_open && !went_out
        }
    };
    assert!(fits, "{reservation:?}");
}
