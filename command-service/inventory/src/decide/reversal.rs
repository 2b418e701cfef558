//! Rules of reversals: earlier events are undone by their exact opposites.

use std::cmp::Reverse as Descending;
use std::collections::{BTreeMap, BTreeSet, HashSet};

use shared_events::event::{About, Event, Figures, StockChange, StockReversed};
use shared_events::lane::EventId;
use shared_events::time::Timestamp;

use super::check_newest;
use super::stock::takeable;
use crate::command::{Reverse, Target};
use crate::ledger::Ledger;
use crate::rejection::{Irreversible, Rejection};
use crate::working_set::{Inventory, TargetEvent};

/// The reversal targets, ordered by lane and position.
type Targets<'a> = BTreeMap<EventId, &'a TargetEvent>;

/// The targets' changes of on_hand.
type Booked<'a> = BTreeMap<EventId, StockChange<'a>>;

pub(super) fn reverse(
    inventory: &Inventory,
    now: Timestamp,
    command: &Reverse,
) -> Result<Vec<Event>, Rejection> {
    let event = |id| inventory.target_event(id).expect("a selection is inserted with its events");
    let selection = inventory.selection(&command.target);
    let targets: Targets<'_> = selection.iter().map(|id| (*id, event(*id))).collect();
    if targets.is_empty() {
        return Err(Rejection::UnknownEvent { id: command.target.to_string() });
    }
    let mut booked = booked(&command.target, &targets)?;
    booked.retain(|id, _| is_effective(*id, &targets));
    if booked.is_empty() {
        return Err(Rejection::AlreadyReversed { dependents: reversed_by(&targets) });
    }

    check_not_ahead(&booked, &targets, now)?;

    let mut ledger = Ledger::new(inventory, now);
    let events = undo(&mut ledger, command, &booked, takeable(command.accept_shortage))?;
    if ledger.short().is_empty() {
        return ledger.finish(events);
    }
    // Too little is available: because the goods are gone, or because they are promised.
    let mut physical = Ledger::new(inventory, now);
    undo(&mut physical, command, &booked, takeable(true))?;
    let dependents = in_the_way(&ledger, &physical, &booked, &targets);
    Err(if physical.short().is_empty() {
        Rejection::Promised { lines: ledger.shortages(), dependents }
    } else {
        Rejection::NotReversible { why: Irreversible::MovedOn, dependents }
    })
}

/// A reversal happens now, and nothing is undone before it has happened.
fn check_not_ahead(
    booked: &Booked<'_>,
    targets: &Targets<'_>,
    now: Timestamp,
) -> Result<(), Rejection> {
    let newest_at = booked.keys().map(|id| targets[id].occurred_at).max();
    check_newest(Some(now), newest_at, now)
}

/// The opposites of the changes, the newest first in each lane, so that each finds the state that its
/// target left.
fn undo(
    ledger: &mut Ledger<'_>,
    command: &Reverse,
    booked: &Booked<'_>,
    takeable: fn(Figures) -> i64,
) -> Result<Vec<Event>, Rejection> {
    let mut newest_first: Vec<_> = booked.iter().collect();
    newest_first.sort_by_key(|(EventId(lane, position), _)| (*lane, Descending(*position)));
    let mut events = Vec::with_capacity(newest_first.len());
    for (&reverses, &change) in newest_first {
        let StockChange { sku, location, .. } = change;
        let delta = -change.delta.on_hand;
        let after = if delta > 0 {
            ledger.put_in(sku, location, delta)?
        } else {
            ledger.take(sku, location, -delta, takeable)
        };
        events.push(Event::StockReversed(StockReversed {
            sku: sku.clone(),
            location: location.clone(),
            reverses,
            reversal: command.id.clone(),
            delta,
            after,
            cause: command.cause.clone(),
        }));
    }
    Ok(events)
}

/// The targets' changes of on_hand, if all targets are of kinds that an opposite can undo.
fn booked<'a>(target: &Target, targets: &Targets<'a>) -> Result<Booked<'a>, Rejection> {
    let mut booked = BTreeMap::new();
    let mut of_reservations = Vec::new();
    let mut of_transfers = BTreeSet::new();
    let mut of_orders = Vec::new();
    let mut is_described = false;
    let is_one = matches!(target, Target::Event(_));
    for (id, TargetEvent { event, dependents, .. }) in targets {
        match kind(event) {
            Kind::Booking(change) => drop(booked.insert(*id, change)),
            Kind::Reservation => of_reservations.push(*id),
            Kind::Transfer => {
                of_transfers.extend(dependents);
                of_transfers.extend((!is_one).then_some(*id));
            }
            Kind::Order => of_orders.push(*id),
            Kind::Description => is_described = true,
            Kind::Consequence => {}
        }
    }
    let not_reversible = |why, dependents| Err(Rejection::NotReversible { why, dependents });
    if targets.values().any(|target| matches!(kind(&target.event), Kind::Transfer)) {
        return not_reversible(Irreversible::Transfer, of_transfers.into_iter().collect());
    }
    if !of_orders.is_empty() {
        let in_the_way = if is_one { Vec::new() } else { of_orders };
        return not_reversible(Irreversible::Order, in_the_way);
    }
    if !of_reservations.is_empty() {
        let in_the_way = if is_one { Vec::new() } else { of_reservations };
        return not_reversible(Irreversible::Reservation, in_the_way);
    }
    match (booked.is_empty(), is_described) {
        (false, _) => Ok(booked),
        (true, true) => not_reversible(Irreversible::Description, Vec::new()),
        (true, false) => not_reversible(Irreversible::Reservation, Vec::new()),
    }
}

enum Kind<'a> {
    /// It changed on_hand, which an opposite can undo.
    Booking(StockChange<'a>),
    /// A step of a reservation, or its effect on stock.
    Reservation,
    /// A step of a transfer, or its effect on stock.
    Transfer,
    /// A step of an order.
    Order,
    /// It describes an item or a location, or says that a person was forgotten or something was removed.
    Description,
    /// A hold expired, or somebody who waited got stock or waits no more: nothing that a caller did.
    Consequence,
}

fn kind(event: &Event) -> Kind<'_> {
    match event.about() {
        About::Transfer(_) => Kind::Transfer,
        About::Order(_) => Kind::Order,
        About::Stock(change) if change.transfer.is_some() => Kind::Transfer,
        _ if event.own_time().is_some() => Kind::Consequence,
        About::Stock(change) if change.reservation.is_none() => Kind::Booking(change),
        About::Stock(_) | About::Reservation(_) => Kind::Reservation,
        About::Item(_)
        | About::RetiredItem(_)
        | About::Location(_)
        | About::Subject(_)
        | About::Redaction(_) => Kind::Description,
    }
}

/// Whether there is anything left to undo: the event is not reversed, and it does not cancel out with
/// other targets (a booking and its reversal, or the reversal of that, and so on).
fn is_effective(id: EventId, targets: &Targets<'_>) -> bool {
    if targets[&id].is_reversed {
        return false;
    }
    let mut is_effective = true;
    let mut latest = id;
    while let Event::StockReversed(StockReversed { reverses, .. }) = &targets[&latest].event
        && targets.contains_key(reverses)
    {
        is_effective = !is_effective;
        latest = *reverses;
    }
    is_effective
}

/// The events that reversed the targets, if they have a position in the log yet.
fn reversed_by(targets: &Targets<'_>) -> Vec<EventId> {
    let by: BTreeSet<EventId> = targets.values().filter_map(|target| target.reversed_by).collect();
    by.into_iter().collect()
}

/// The events that stand in the way, without the targets themselves: what took goods that are gone, and
/// what promised goods that are there.
fn in_the_way(
    ledger: &Ledger<'_>,
    physical: &Ledger<'_>,
    booked: &Booked<'_>,
    targets: &Targets<'_>,
) -> Vec<EventId> {
    let streams = |short: &Ledger<'_>| short.short().iter().cloned().collect::<HashSet<_>>();
    let (short, gone) = (streams(ledger), streams(physical));
    let in_the_way = booked.iter().flat_map(|(id, change)| {
        let stream = (change.sku.clone(), change.location.clone());
        let target = targets[id];
        match (gone.contains(&stream), short.contains(&stream)) {
            (true, _) => target.dependents.as_slice(),
            (false, true) => target.promises.as_slice(),
            (false, false) => &[],
        }
    });
    let events: BTreeSet<EventId> =
        in_the_way.copied().filter(|event| !targets.contains_key(event)).collect();
    events.into_iter().collect()
}
