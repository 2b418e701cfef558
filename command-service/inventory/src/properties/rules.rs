//! Invariants after any command.

use std::collections::HashMap;

use shared_events::event::{About, Event, FilledStock, WhyLeft};
use shared_events::order::{OrderStatus, StepName, StepStatus};
use shared_events::reservation::{Fill, Reservation, ReservationLine, ReservationStatus};
use shared_events::time::Timestamp;
use shared_events::transfer::{Transfer, TransferLine, TransferStatus};

use crate::*;

/// Whether nobody asked for it: a hold expired, or somebody who waited got stock or waited long enough.
pub(super) fn is_due(event: &Event) -> bool {
    match event {
        Event::StockHoldExpired(_) | Event::StockWaitlistFilled(_) => true,
        Event::StockWaitlistLeft(left) => left.why == WhyLeft::Ended,
        _ => false,
    }
}

/// What was due comes first and never alone; behind the command's own events, those who wait are served.
pub(super) fn check_order(events: &[Event]) {
    let own: Vec<_> = events.iter().skip_while(|event| is_due(event)).collect();
    assert!(events.is_empty() || !own.is_empty(), "{events:?}");
    let is_late = own.iter().any(|event| matches!(event, Event::ReservationFilled(_)));
    let is_expiry = |event: &Event| matches!(event, Event::StockHoldExpired(_));
    assert!(is_late || !own.iter().any(|event| is_expiry(event)), "{events:?}");
    // The steps of an order come behind what they do to stock.
    let of_stock = own.into_iter().filter(|event| !matches!(event.about(), About::Order(_)));
    let after: Vec<_> = of_stock.skip_while(|event| !is_filled(event)).collect();
    assert!(after.into_iter().all(is_filled), "{events:?}");
}

fn is_filled(event: &Event) -> bool {
    matches!(event, Event::StockWaitlistFilled(_))
}

/// Only the first in the order who can use what is available is filled, with all that it can use, and those
/// before it are named. Behind a command there is nobody left who could be filled.
pub(super) fn check_fill(inventory: &Inventory, filled: &FilledStock) {
    let stock = inventory.stock(&filled.sku, &filled.location);
    let available = stock.figures.available();
    let waiters = stock.queue.waiters();
    let is_filled =
        |one: &Waiter| (&one.reservation, one.line) == (&filled.reservation, filled.line);
    let nth = waiters.iter().position(|(_, one)| is_filled(one)).expect("it waited");
    let (before, waiter) = (&waiters[..nth], &waiters[nth].1);
    let fits = |one: &Waiter| match one.fill {
        Fill::Parts => available > 0,
        Fill::Whole => one.quantity <= available,
    };
    assert!(fits(waiter) && !before.iter().any(|(_, one)| fits(one)), "{filled:?} {waiters:?}");
    assert_eq!(filled.quantity, waiter.quantity.min(available));
    assert_eq!(filled.waiting, waiter.quantity - filled.quantity);
    let passed_over: Vec<_> = before.iter().map(|(_, one)| (&one.reservation, one.line)).collect();
    let named = filled.passed_over.iter().map(|one| (&one.reservation, one.line));
    assert_eq!(named.collect::<Vec<_>>(), passed_over);
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
    if let Event::StockWaitlistFilled(filled) = event {
        check_fill(inventory, filled);
    }
    if let Event::StockAdjusted(adjusted) = event {
        assert_eq!(adjusted.shortage, after.available() < 0);
    }
}

/// Reserved and allocated are the open quantities of the reservations, and waiting is what they wait for;
/// except for holds and waiting that ended, and fills that were recorded, before the reservation knew.
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
                    if reservation.status == ReservationStatus::Waiting {
                        check_waiting(inventory, &reservation, line, held, now);
                        *reserved += held;
                    }
                }
            }
            StreamState::Item(..)
            | StreamState::Location(..)
            | StreamState::Transfer(..)
            | StreamState::Order(..)
            | StreamState::Subject(..)
            | StreamState::Redaction(..) => {}
        }
    }
    for (key, stock) in stocks {
        let (reserved, allocated) = open.remove(&key).unwrap_or_default();
        assert_eq!((stock.figures.reserved, stock.figures.allocated), (reserved, allocated));
        let holds: Vec<(Hold, i64)> = stock.holds.into();
        assert!(holds.iter().all(|(_, quantity)| *quantity > 0), "{holds:?}");
        assert_eq!(reserved, holds.iter().map(|(_, quantity)| quantity).sum::<i64>());
        let (waiters, available) = (stock.queue.waiters(), stock.figures.available());
        let waiting: i64 = waiters.iter().map(|(_, waiter)| waiter.quantity).sum();
        assert_eq!(waiting, stock.figures.waiting);
        assert!(waiters.iter().all(|(_, waiter)| waiter.quantity > 0), "{waiters:?}");
        let fits = |waiter: &Waiter| waiter.fill == Fill::Parts || waiter.quantity <= available;
        let fitting = waiters.iter().find(|(_, waiter)| available > 0 && fits(waiter));
        assert_eq!(fitting, None, "{available} is available");
        for (_, waiter) in waiters {
            let state = inventory.reservation(&waiter.reservation);
            let reservation = state.and_then(|state| state.details.as_ref());
            let status = reservation.map(|reservation| reservation.status);
            assert_eq!(status, Some(ReservationStatus::Waiting), "{waiter:?}");
        }
    }
    assert!(open.values().all(|open| *open == (0, 0)), "{open:?}");
}

/// What the stock's stream has recorded for a line of a waiting reservation is what the line wants, with the
/// fills that the reservation's stream does not know yet.
fn check_waiting(
    inventory: &Inventory,
    reservation: &Reservation,
    line: &ReservationLine,
    held: i64,
    now: Timestamp,
) {
    let wait_until = reservation.wait_until.expect("it waits until a moment");
    let waiters = inventory.stock(&line.sku, &line.location).queue.waiters();
    let is_line = |one: &Waiter| (&one.reservation, one.line) == (&reservation.id, line.line);
    match waiters.iter().find(|(_, waiter)| is_line(waiter)) {
        Some((place, waiter)) => {
            assert_eq!(held + waiter.quantity, line.open() + line.waiting, "{line:?} {waiter:?}");
            let times = (waiter.wait_until, waiter.expires_at);
            assert_eq!(times, (wait_until, reservation.expires_at));
            assert_eq!(Some(place.priority()), reservation.priority);
        }
        None if wait_until <= now => assert!(held <= line.open() + line.waiting, "{line:?}"),
        None => assert_eq!(held, line.open() + line.waiting, "{line:?}"),
    }
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
            | StreamState::Order(..)
            | StreamState::Subject(..)
            | StreamState::Redaction(..) => {}
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
        assert!(line.waiting >= 0 && line.quantity + line.waiting <= line.requested, "{line:?}");
    }
    let is_open = reservation.lines.iter().any(|line| line.open() > 0);
    let waits = reservation.lines.iter().any(|line| line.waiting > 0);
    assert_eq!(waits, reservation.status == ReservationStatus::Waiting, "{reservation:?}");
    let went_out = reservation.lines.iter().any(|line| line.fulfilled > 0);
    let fits = match reservation.status {
        ReservationStatus::Waiting => !went_out,
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
            OrderStatus::Placed | OrderStatus::Waiting | OrderStatus::AwaitingPayment => {
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
                assert!(lines.map(|line| line.releasable()).all(|left| left == 0), "{order:?}");
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
