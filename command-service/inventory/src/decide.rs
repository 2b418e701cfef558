//! The decisions: state and request in, events or a rejection out.

mod catalogue;
mod stock;
mod parts;
mod reservation;
mod transfer;
mod order;
mod settle;
mod reversal;
mod subject;

use std::time::Duration;

use shared_events::event::Event;
use shared_events::lane::Version;
use shared_events::time::Timestamp;

use super::command::{Command, FillWaitlist, Precondition, Request};
use super::ledger::Ledger;
use super::rejection::Rejection;
use super::working_set::Inventory;

/// The most that a caller's `occurred_at` may be ahead of the log's clock.
const OCCURRED_AHEAD_MAX: Duration = Duration::from_secs(5 * 60);

/// Decides a request at the log's time `now`: its events, none if there is nothing to do.
///
/// The inventory must hold every state that [`Command::streams`], [`Command::locations`],
/// [`Command::item_everywhere`] and the lines of [`Command::changed`] name, and the events that
/// [`Command::reversal`] targets with the states of their stock.
///
/// Expired holds on stock that the request changes end first: their ends are its first events, and its
/// rules do not count them. Those who wait for such stock get what there is for them, before the request's
/// own events and after them: see [`Ledger`].
pub fn decide(
    inventory: &Inventory,
    request: &Request,
    now: Timestamp,
) -> Result<Vec<Event>, Rejection> {
    check_occurred_at(request.occurred_at, now)?;
    match &request.command {
        Command::RegisterItem(command) => catalogue::register_item(inventory, command),
        Command::RegisterLocation(command) => catalogue::register_location(inventory, command),
        Command::ReceiveStock(command) => stock::receive_stock(inventory, now, command),
        Command::IssueStock(command) => stock::issue_stock(inventory, now, command),
        Command::AdjustStock(command) => {
            stock::adjust_stock(inventory, now, command, request.occurred_at)
        }
        Command::SetStock(command) => {
            stock::set_stock(inventory, now, command, request.occurred_at)
        }
        Command::MoveStock(command) => stock::move_stock(inventory, now, command),
        Command::RetireItem(command) => catalogue::retire_item(inventory, now, command),
        Command::ReinstateItem(command) => catalogue::reinstate_item(inventory, command),
        Command::ReserveStock(command) => {
            reservation::reserve_stock(inventory, now, command, request.occurred_at)
        }
        Command::ChangeReservation(command) => {
            reservation::change_reservation(inventory, now, command, request.occurred_at)
        }
        Command::DispatchTransfer(command) => transfer::dispatch(inventory, now, command),
        Command::ChangeTransfer(command) => {
            transfer::change_transfer(inventory, now, command, request.occurred_at)
        }
        Command::PlaceOrder(command) => order::place(inventory, now, command),
        Command::ChangeOrder(command) => order::change_order(inventory, now, command),
        Command::FillWaitlist(command) => fill_waitlist(inventory, now, command),
        Command::SettleReservation(command) => settle::settle(inventory, now, command),
        Command::Reverse(command) => reversal::reverse(inventory, now, command),
        Command::ForgetSubject(command) => Ok(subject::forget(inventory, command)),
    }
}

/// Touching the stock is all there is to do: its queue is filled as with any other command.
fn fill_waitlist(
    inventory: &Inventory,
    now: Timestamp,
    FillWaitlist { sku, location }: &FillWaitlist,
) -> Result<Vec<Event>, Rejection> {
    let mut ledger = Ledger::new(inventory, now);
    ledger.figures(sku, location);
    ledger.finish(Vec::new())
}

fn check_occurred_at(occurred_at: Option<Timestamp>, now: Timestamp) -> Result<(), Rejection> {
    let earliest = Timestamp::UNIX_EPOCH;
    let latest = now + OCCURRED_AHEAD_MAX;
    match occurred_at {
        Some(moment) if moment < earliest || moment > latest => {
            Err(Rejection::OccurredAtOutOfRange { earliest, latest })
        }
        _ => Ok(()),
    }
}

/// Refuses a moment before the newest change of what a command builds on: the log would tell of a time
/// in which that had not happened yet.
fn check_newest(
    occurred_at: Option<Timestamp>,
    newest_at: Option<Timestamp>,
    now: Timestamp,
) -> Result<(), Rejection> {
    match (occurred_at, newest_at) {
        (Some(moment), Some(earliest)) if moment < earliest => {
            Err(Rejection::OccurredAtOutOfRange { earliest, latest: now + OCCURRED_AHEAD_MAX })
        }
        _ => Ok(()),
    }
}

fn check_precondition(expected: Option<Precondition>, actual: Version) -> Result<(), Rejection> {
    match expected {
        Some(Precondition::Exists) if actual == Version::default() => Err(Rejection::NoHistory {}),
        Some(Precondition::Version(version)) => check_version(Some(version), actual),
        Some(Precondition::Exists) | None => Ok(()),
    }
}

fn check_version(expected: Option<Version>, actual: Version) -> Result<(), Rejection> {
    match expected {
        Some(expected) if expected != actual => {
            Err(Rejection::VersionConflict { expected, actual })
        }
        _ => Ok(()),
    }
}
