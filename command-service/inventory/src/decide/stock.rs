//! Rules of receiving, issuing, adjusting, setting and moving stock.

use shared_events::event::{
    Event, Figures, StockAdjusted, StockIssued, StockMovedIn, StockMovedOut, StockReceived,
    StockSet,
};
use shared_events::time::Timestamp;

use super::{check_newest, check_precondition, check_version};
use crate::command::{
    AdjustStock, IssueStock, MoveLine, MoveStock, ReceiveStock, SetStock, StockLine,
};
use crate::ledger::Ledger;
use crate::rejection::Rejection;
use crate::working_set::Inventory;

pub(super) fn receive_stock(
    inventory: &Inventory,
    now: Timestamp,
    command: &ReceiveStock,
) -> Result<Vec<Event>, Rejection> {
    let mut ledger = Ledger::new(inventory, now);
    let mut events = Vec::with_capacity(command.lines.len());
    check_lines(&ledger, &command.lines)?;
    for line in &command.lines {
        let after = ledger.put_in(&line.sku, &line.location, line.quantity)?;
        events.push(Event::StockReceived(StockReceived {
            sku: line.sku.clone(),
            location: line.location.clone(),
            quantity: line.quantity,
            after,
            cause: command.cause.clone(),
        }));
    }
    ledger.finish(events)
}

pub(super) fn issue_stock(
    inventory: &Inventory,
    now: Timestamp,
    command: &IssueStock,
) -> Result<Vec<Event>, Rejection> {
    let mut ledger = Ledger::new(inventory, now);
    let mut events = Vec::with_capacity(command.lines.len());
    check_lines(&ledger, &command.lines)?;
    for line in &command.lines {
        let after = ledger.take(&line.sku, &line.location, line.quantity, Figures::available);
        events.push(Event::StockIssued(StockIssued {
            sku: line.sku.clone(),
            location: line.location.clone(),
            quantity: line.quantity,
            purpose: command.purpose.clone(),
            after,
            cause: command.cause.clone(),
        }));
    }
    ledger.finish(events)
}

pub(super) fn adjust_stock(
    inventory: &Inventory,
    now: Timestamp,
    command: &AdjustStock,
    occurred_at: Option<Timestamp>,
) -> Result<Vec<Event>, Rejection> {
    let mut ledger = Ledger::new(inventory, now);
    let mut events = Vec::with_capacity(command.lines.len());
    for line in &command.lines {
        ledger.check_known(&line.sku, &line.location)?;
        let before = ledger.before(&line.sku, &line.location);
        check_version(line.expected_version, before.version)?;
        if line.expected_quantity.is_some() {
            check_newest(occurred_at, before.newest_at, now)?;
        }
        check_quantity(line.expected_quantity, before.figures.on_hand)?;
    }
    let takeable = takeable(command.accept_shortage);
    for line in &command.lines {
        let after = if line.delta > 0 {
            ledger.put_in(&line.sku, &line.location, line.delta)?
        } else {
            ledger.take(&line.sku, &line.location, -line.delta, takeable)
        };
        events.push(Event::StockAdjusted(StockAdjusted {
            sku: line.sku.clone(),
            location: line.location.clone(),
            delta: line.delta,
            shortage: after.available() < 0,
            after,
            cause: command.cause.clone(),
        }));
    }
    ledger.finish(events)
}

pub(super) fn set_stock(
    inventory: &Inventory,
    now: Timestamp,
    command: &SetStock,
    occurred_at: Option<Timestamp>,
) -> Result<Vec<Event>, Rejection> {
    let SetStock { sku, location, .. } = command;
    let mut ledger = Ledger::new(inventory, now);
    ledger.check_known(sku, location)?;
    let before = ledger.before(sku, location);
    check_precondition(command.precondition, before.version)?;
    check_newest(occurred_at, before.newest_at, now)?;
    check_quantity(command.expected_quantity, before.figures.on_hand)?;
    let delta = command.quantity - before.figures.on_hand;
    let after = match delta {
        0 => return Ok(Vec::new()),
        more @ 1.. => ledger.put_in(sku, location, more)?,
        less => ledger.take(sku, location, -less, takeable(command.accept_shortage)),
    };
    ledger.finish(vec![Event::StockSet(StockSet {
        sku: sku.clone(),
        location: location.clone(),
        delta,
        after,
        cause: command.cause.clone(),
    })])
}

pub(super) fn move_stock(
    inventory: &Inventory,
    now: Timestamp,
    command: &MoveStock,
) -> Result<Vec<Event>, Rejection> {
    let mut ledger = Ledger::new(inventory, now);
    let mut events = Vec::with_capacity(2 * command.lines.len());
    for line in &command.lines {
        ledger.check_known(&line.sku, &line.from)?;
        ledger.check_known(&line.sku, &line.to)?;
        check_version(line.expected_version, ledger.before(&line.sku, &line.from).version)?;
    }
    for MoveLine { sku, from, to, quantity, .. } in &command.lines {
        let left = ledger.take(sku, from, *quantity, Figures::available);
        let arrived = ledger.put_in(sku, to, *quantity)?;
        events.push(Event::StockMovedOut(StockMovedOut {
            sku: sku.clone(),
            location: from.clone(),
            to: to.clone(),
            quantity: *quantity,
            after: left,
            cause: command.cause.clone(),
        }));
        events.push(Event::StockMovedIn(StockMovedIn {
            sku: sku.clone(),
            location: to.clone(),
            from: from.clone(),
            quantity: *quantity,
            after: arrived,
            cause: command.cause.clone(),
        }));
    }
    ledger.finish(events)
}

/// Checks that each line's item and location exist and that its stock has the expected version.
pub(super) fn check_lines(ledger: &Ledger<'_>, lines: &[StockLine]) -> Result<(), Rejection> {
    for line in lines {
        ledger.check_known(&line.sku, &line.location)?;
        check_version(line.expected_version, ledger.before(&line.sku, &line.location).version)?;
    }
    Ok(())
}

/// The quantity that may be removed. An accepted shortage may leave less than reserved and allocated,
/// but on_hand never becomes negative.
pub(super) fn takeable(accept_shortage: bool) -> fn(Figures) -> i64 {
    if accept_shortage { |figures| figures.on_hand } else { Figures::available }
}

fn check_quantity(expected: Option<i64>, actual: i64) -> Result<(), Rejection> {
    match expected {
        Some(expected) if expected != actual => Err(Rejection::StaleQuantity { expected, actual }),
        _ => Ok(()),
    }
}
