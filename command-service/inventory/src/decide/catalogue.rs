//! Rules of items and locations.

use shared_events::event::{
    Context, Event, Figures, ItemDetails, ItemReinstated, ItemRetired, LocationDetails,
};
use shared_events::time::Timestamp;
use shared_events::values::{Code, Sku};

use super::check_precondition;
use crate::command::{RegisterItem, RegisterLocation, ReinstateItem, RetireItem};
use crate::ledger::Ledger;
use crate::rejection::Rejection;
use crate::state::ItemState;
use crate::working_set::Inventory;

pub(super) fn register_item(
    inventory: &Inventory,
    command: &RegisterItem,
) -> Result<Vec<Event>, Rejection> {
    let item = inventory.item(&command.sku).cloned().unwrap_or_default();
    check_precondition(command.precondition, item.version)?;
    if item.retired {
        return Err(Rejection::ItemRetired { sku: command.sku.clone() });
    }
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

pub(super) fn register_location(
    inventory: &Inventory,
    command: &RegisterLocation,
) -> Result<Vec<Event>, Rejection> {
    let location = inventory.location(&command.code).cloned().unwrap_or_default();
    check_precondition(command.precondition, location.version)?;
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

pub(super) fn retire_item(
    inventory: &Inventory,
    now: Timestamp,
    command: &RetireItem,
) -> Result<Vec<Event>, Rejection> {
    let sku = || command.sku.clone();
    let (item, _) = registered(inventory, &command.sku)?;
    check_precondition(command.precondition, item.version)?;
    if item.retired {
        return Ok(Vec::new());
    }
    let mut ledger = Ledger::new(inventory, now);
    let mut locations: Vec<_> =
        inventory.stock_everywhere(&command.sku).map(|(location, _)| location).collect();
    locations.sort_unstable();
    for location in locations {
        if ledger.figures(&command.sku, location) != Figures::default() {
            return Err(Rejection::ItemHasStock { sku: sku() });
        }
    }
    let cause = command.cause.clone();
    ledger.finish(vec![Event::ItemRetired(ItemRetired { sku: sku(), cause })])
}

pub(super) fn reinstate_item(
    inventory: &Inventory,
    command: &ReinstateItem,
) -> Result<Vec<Event>, Rejection> {
    let (item, details) = registered(inventory, &command.sku)?;
    check_precondition(command.precondition, item.version)?;
    if !item.retired {
        return Ok(Vec::new());
    }
    let (after, cause) = (details.clone(), command.cause.clone());
    Ok(vec![Event::ItemReinstated(ItemReinstated { after, cause })])
}

fn registered<'a>(
    inventory: &'a Inventory,
    sku: &Sku,
) -> Result<(&'a ItemState, &'a ItemDetails), Rejection> {
    let item = inventory.item(sku);
    item.and_then(|item| Some((item, item.details.as_ref()?)))
        .ok_or_else(|| Rejection::UnknownSku { sku: sku.clone() })
}
