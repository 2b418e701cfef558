//! Invariants after any command.

use std::collections::HashMap;

use shared_events::event::Event;
use shared_events::order::{OrderStatus, StepName, StepStatus};
use shared_events::reservation::{Reservation, ReservationStatus};
use shared_events::time::Timestamp;
use shared_events::transfer::{Transfer, TransferLine, TransferStatus};

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
    assert_eq!(after.checked_sub(change.delta), Some(before), "{event:?}");
    assert!(after.amounts().into_iter().all(|amount| amount >= 0), "{event:?}");
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
            StreamState::Item(..)
            | StreamState::Location(..)
            | StreamState::Transfer(..)
            | StreamState::Order(..) => {}
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

/// A transfer moves goods and loses some, but makes none: what is there and on its way of each item
/// becomes less by what is lost.
pub(super) fn check_transfer_balance(command: &Command, events: &[Event]) {
    if !matches!(command, Command::DispatchTransfer(_) | Command::ChangeTransfer(_)) {
        return;
    }
    let mut balance: HashMap<_, i64> = HashMap::new();
    for event in events {
        let Some(change) = event.stock_change() else { continue };
        let lost = if let Event::StockLost(stock) = event { stock.quantity } else { 0 };
        *balance.entry(change.sku.clone()).or_default() +=
            change.delta.on_hand + change.delta.incoming + lost;
    }
    assert!(balance.values().all(|sum| *sum == 0), "{events:?}");
}

/// Incoming is what the transfers have on their way, and their status fits.
pub(super) fn check_transfers(inventory: &Inventory) {
    let mut open: HashMap<_, i64> = HashMap::new();
    for state in inventory.clone().into_states() {
        match state {
            StreamState::Stock((sku, location), stock) => {
                *open.entry((sku, location)).or_default() -= stock.figures.incoming;
            }
            StreamState::Transfer(_, state) => {
                let transfer = state.details.expect("a transfer has details");
                check_transfer_status(&transfer);
                for line in transfer.lines {
                    *open.entry((line.sku.clone(), line.to.clone())).or_default() += line.open();
                }
            }
            StreamState::Item(..)
            | StreamState::Location(..)
            | StreamState::Reservation(..)
            | StreamState::Order(..) => {}
        }
    }
    assert!(open.values().all(|open| *open == 0), "{open:?}");
}

fn check_transfer_status(transfer: &Transfer) {
    for line in &transfer.lines {
        let shares = [line.open(), line.received, line.lost, line.returned];
        assert!(shares.into_iter().all(|share| share >= 0), "{line:?}");
    }
    let any = |share: fn(&TransferLine) -> i64| transfer.lines.iter().any(|line| share(line) > 0);
    let (received, lost) = (any(|line| line.received), any(|line| line.lost));
    let fits = match transfer.status {
        TransferStatus::InTransit => !received && !lost,
        TransferStatus::PartiallyReceived | TransferStatus::Received => received && !lost,
        TransferStatus::Closed => lost,
        TransferStatus::Returned => !lost && any(|line| line.returned),
    };
    assert!(fits && any(TransferLine::open) != transfer.is_done(), "{transfer:?}");
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

/// An order that has ended holds nothing, is confirmed only if it was paid, and has a void asked for or
/// answered unless it is known that nothing was authorised.
pub(super) fn check_orders(inventory: &Inventory, events: &[Event]) {
    for order in events.iter().filter_map(Event::order_step).map(|step| &step.after) {
        let state = inventory.order(&order.id).and_then(|state| state.details.as_deref());
        if state != Some(order) {
            continue;
        }
        let reservation = inventory.reservation(&order.id.reservation());
        let reservation = reservation.and_then(|state| state.details.as_ref());
        assert_eq!(order.reservation.is_some(), reservation.is_some(), "{order:?}");
        let (authorise, void) = (order.step(StepName::Authorise), order.step(StepName::Void));
        match order.status {
            OrderStatus::Placed | OrderStatus::AwaitingPayment => {
                assert!(order.due_at.is_some_and(|due_at| due_at <= order.deadline), "{order:?}");
            }
            OrderStatus::Confirmed => {
                assert_eq!((authorise, void), (Some(StepStatus::Done), None), "{order:?}");
                let status = reservation.map(|reservation| reservation.status);
                assert_eq!(status, Some(ReservationStatus::Confirmed), "{order:?}");
            }
            OrderStatus::Declined
            | OrderStatus::TimedOut
            | OrderStatus::Cancelled
            | OrderStatus::Failed => {
                let lines = reservation.into_iter().flat_map(|reservation| &reservation.lines);
                assert!(lines.map(|line| line.open()).all(|open| open == 0), "{order:?}");
                match authorise {
                    None => assert_eq!(void, None, "{order:?}"),
                    Some(StepStatus::Refused) => assert_ne!(void, Some(StepStatus::Pending)),
                    Some(StepStatus::Pending | StepStatus::Done | StepStatus::NeedsOperator) => {
                        assert!(void.is_some(), "{order:?}");
                    }
                }
                let is_asked = void == Some(StepStatus::Pending);
                assert_eq!(order.due_at.is_some(), is_asked, "{order:?}");
            }
        }
    }
}
