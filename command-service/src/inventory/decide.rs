//! The decisions: state and request in, events or a refusal out.

use chrono::TimeDelta;
use shared_events::event::{
    Context, Event, Figures, ItemDetails, LocationDetails, StockAdjusted, StockIssued,
    StockReceived,
};
use shared_events::lane::Version;
use shared_events::time::Timestamp;
use shared_events::values::Code;

use super::command::{
    AdjustStock, Command, IssueStock, ReceiveStock, RegisterItem, RegisterLocation, Request,
};
use super::ledger::Ledger;
use super::rejection::Rejection;
use super::state::Inventory;

/// How far ahead of the log's clock a caller's `occurred_at` may be.
const OCCURRED_AHEAD_MAX: TimeDelta = TimeDelta::minutes(5);

/// Decides a request: the events that it makes, none where there is nothing to do.
///
/// `now` is the log's time. The inventory holds every state that [`Command::streams`] and
/// [`Command::locations`] name.
///
/// # Errors
/// The rule that refuses it; then nothing of it happens.
pub fn decide(
    inventory: &Inventory,
    request: &Request,
    now: Timestamp,
) -> Result<Vec<Event>, Rejection> {
    check_occurred_at(request.occurred_at, now)?;
    match &request.command {
        Command::RegisterItem(command) => register_item(inventory, command),
        Command::RegisterLocation(command) => register_location(inventory, command),
        Command::ReceiveStock(command) => receive_stock(inventory, command),
        Command::IssueStock(command) => issue_stock(inventory, command),
        Command::AdjustStock(command) => adjust_stock(inventory, command),
    }
}

fn check_occurred_at(occurred_at: Option<Timestamp>, now: Timestamp) -> Result<(), Rejection> {
    let earliest = Timestamp::UNIX_EPOCH;
    let latest = Timestamp::new(now.to_utc() + OCCURRED_AHEAD_MAX);
    match occurred_at {
        Some(moment) if moment < earliest || moment > latest => {
            Err(Rejection::OccurredAtOutOfRange { earliest, latest })
        }
        _ => Ok(()),
    }
}

fn register_item(inventory: &Inventory, command: &RegisterItem) -> Result<Vec<Event>, Rejection> {
    let item = inventory.item(&command.sku).cloned().unwrap_or_default();
    check_version(command.expected_version, item.version)?;
    let is_new = item.details.is_none();
    let before = item.details.unwrap_or_else(|| ItemDetails {
        sku: command.sku.clone(),
        name: command.sku.to_string(),
        scale: 0,
        unit: each(),
        reorder_point: 0,
        context: None,
    });
    let metadata = command.metadata.clone().filter(|metadata| !metadata.is_empty());
    let after = ItemDetails {
        sku: command.sku.clone(),
        name: command.name.clone().unwrap_or_else(|| before.name.clone()),
        scale: command.scale.unwrap_or(before.scale),
        unit: command.unit.clone().unwrap_or_else(|| before.unit.clone()),
        reorder_point: command.reorder_point.unwrap_or(before.reorder_point),
        context: match command.metadata {
            Some(_) => metadata.map(|metadata| Context { note: None, metadata }),
            None => before.context.clone(),
        },
    };
    if item.stocked && after.scale != before.scale {
        return Err(Rejection::ItemInUse { sku: command.sku.clone() });
    }
    Ok(match (is_new, after == before) {
        (true, _) => vec![Event::ItemRegistered(after)],
        (false, false) => vec![Event::ItemChanged(after)],
        (false, true) => Vec::new(),
    })
}

fn each() -> Code {
    "each".parse().expect("`each` is lower case letters")
}

fn register_location(
    inventory: &Inventory,
    command: &RegisterLocation,
) -> Result<Vec<Event>, Rejection> {
    let location = inventory.location(&command.code).cloned().unwrap_or_default();
    check_version(command.expected_version, location.version)?;
    let is_new = location.details.is_none();
    let before = location.details.unwrap_or_else(|| LocationDetails {
        code: command.code.clone(),
        name: command.code.to_string(),
        kind: None,
        context: None,
    });
    let after = LocationDetails {
        code: command.code.clone(),
        name: command.name.clone().unwrap_or_else(|| before.name.clone()),
        kind: command.kind.clone().or_else(|| before.kind.clone()),
        context: before.context.clone(),
    };
    Ok(match (is_new, after == before) {
        (true, _) => vec![Event::LocationRegistered(after)],
        (false, false) => vec![Event::LocationChanged(after)],
        (false, true) => Vec::new(),
    })
}

fn receive_stock(inventory: &Inventory, command: &ReceiveStock) -> Result<Vec<Event>, Rejection> {
    let mut ledger = Ledger::new(inventory);
    let mut events = Vec::with_capacity(command.lines.len());
    for line in &command.lines {
        ledger.check_known(&line.sku, &line.location)?;
        check_version(line.expected_version, ledger.before(&line.sku, &line.location).version)?;
    }
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
    Ok(events)
}

fn issue_stock(inventory: &Inventory, command: &IssueStock) -> Result<Vec<Event>, Rejection> {
    let mut ledger = Ledger::new(inventory);
    let mut events = Vec::with_capacity(command.lines.len());
    for line in &command.lines {
        ledger.check_known(&line.sku, &line.location)?;
        check_version(line.expected_version, ledger.before(&line.sku, &line.location).version)?;
    }
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
    ledger.check_enough()?;
    Ok(events)
}

fn adjust_stock(inventory: &Inventory, command: &AdjustStock) -> Result<Vec<Event>, Rejection> {
    let mut ledger = Ledger::new(inventory);
    let mut events = Vec::with_capacity(command.lines.len());
    for line in &command.lines {
        ledger.check_known(&line.sku, &line.location)?;
        let before = ledger.before(&line.sku, &line.location);
        check_version(line.expected_version, before.version)?;
        check_quantity(line.expected_quantity, before.figures.on_hand)?;
    }
    // An accepted shortage may leave less than was promised, but never less than nothing.
    let takeable = if command.accept_shortage {
        |figures: Figures| figures.on_hand
    } else {
        Figures::available
    };
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
            after,
            cause: command.cause.clone(),
        }));
    }
    ledger.check_enough()?;
    Ok(events)
}

fn check_version(expected: Option<Version>, actual: Version) -> Result<(), Rejection> {
    match expected {
        Some(expected) if expected != actual => {
            Err(Rejection::VersionConflict { expected, actual })
        }
        _ => Ok(()),
    }
}

fn check_quantity(expected: Option<i64>, actual: i64) -> Result<(), Rejection> {
    match expected {
        Some(expected) if expected != actual => Err(Rejection::StaleQuantity { expected, actual }),
        _ => Ok(()),
    }
}
