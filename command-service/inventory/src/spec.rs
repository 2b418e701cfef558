//! The rules by example: given these commands, when this command, then these events or this rejection.

pub(super) mod commands;
mod catalogue;
mod stock;
mod set_and_move;
mod reserve;
mod held;
mod confirmed;
mod expiry;
mod transfer;
mod order;
mod settle;
mod reversal;
mod waiting;

use std::time::Duration;

use shared_events::event::{Cause, Event, ItemDetails, LocationDetails, ReservationStep};
use shared_events::lane::Version;
use shared_events::reservation::ReservationStatus;
use shared_events::time::Timestamp;
use shared_events::values::AMOUNT_MAX;

use self::commands::*;
use super::*;

/// The log's time, in seconds after the start of the test.
pub(super) fn at(seconds: u64) -> Timestamp {
    let beginning: Timestamp = "2026-01-01T12:00:00Z".parse().unwrap();
    beginning + Duration::from_secs(seconds)
}

pub(super) fn item(sku: &str) -> ItemDetails {
    ItemDetails {
        sku: sku.parse().unwrap(),
        name: sku.to_owned(),
        scale: 0,
        unit: "each".parse().unwrap(),
        reorder_point: 0,
        context: None,
    }
}

pub(super) fn location(code: &str) -> LocationDetails {
    LocationDetails {
        code: code.parse().unwrap(),
        name: code.to_owned(),
        kind: None,
        context: None,
    }
}

/// Locations MAIN and WEST and items A and B.
pub(super) fn beginning() -> Vec<Event> {
    let locations = ["MAIN", "WEST"].map(|code| Event::LocationRegistered(location(code)));
    let items = ["A", "B"].map(|sku| Event::ItemRegistered(item(sku)));
    locations.into_iter().chain(items).collect()
}

/// The state after these commands, which must all be accepted, on top of [`beginning`].
pub(super) fn given(commands: &[Command]) -> Inventory {
    let mut inventory = Inventory::default();
    fold(&mut inventory, &beginning());
    for command in commands {
        then(&mut inventory, 0, command.clone());
    }
    inventory
}

pub(super) fn fold(inventory: &mut Inventory, events: &[Event]) {
    for event in events {
        inventory.evolve(event, event.own_time().unwrap_or(at(0)));
    }
}

/// Decides a command at second 0.
pub(super) fn when(inventory: &Inventory, command: Command) -> Result<Vec<Event>, Rejection> {
    when_at(inventory, 0, command)
}

pub(super) fn when_at(
    inventory: &Inventory,
    seconds: u64,
    command: Command,
) -> Result<Vec<Event>, Rejection> {
    decide(inventory, &Request { command, occurred_at: None }, at(seconds))
}

/// Folds a command that must be accepted; returns its events.
pub(super) fn then(inventory: &mut Inventory, seconds: u64, command: Command) -> Vec<Event> {
    let events = when_at(inventory, seconds, command).expect("the command is accepted");
    fold(inventory, &events);
    events
}

fn on_hand_after(events: &[Event]) -> Vec<i64> {
    events.iter().filter_map(Event::stock_change).map(|change| change.after.on_hand).collect()
}

/// The figures after each stock event: on_hand, reserved, allocated.
fn figures_after(events: &[Event]) -> Vec<[i64; 3]> {
    let changes = events.iter().filter_map(Event::stock_change);
    changes
        .map(|change| [change.after.on_hand, change.after.reserved, change.after.allocated])
        .collect()
}

fn types(events: &[Event]) -> Vec<&'static str> {
    events.iter().map(Event::event_type).collect()
}

fn own_step(events: &[Event]) -> &ReservationStep {
    events.iter().find_map(Event::reservation_step).expect("a step is recorded")
}

fn short(sku: &str, requested: i64, available: i64) -> Shortage {
    Shortage { sku: sku.parse().unwrap(), location: "MAIN".parse().unwrap(), requested, available }
}

fn insufficient(lines: Vec<Shortage>) -> Result<Vec<Event>, Rejection> {
    Err(Rejection::InsufficientStock { lines })
}

fn wrong_state(status: ReservationStatus) -> Result<Vec<Event>, Rejection> {
    Err(Rejection::ReservationState { status })
}
