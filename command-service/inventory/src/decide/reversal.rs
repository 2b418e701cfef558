//! Taking back what was booked, by exact opposites.

use std::cmp::Reverse as Descending;
use std::collections::{BTreeMap, BTreeSet, HashSet};

use shared_events::event::{About, Event, Figures, StockChange, StockReversed};
use shared_events::lane::EventId;
use shared_events::time::Timestamp;

use crate::command::{Reverse, Target};
use crate::ledger::Ledger;
use crate::rejection::{Irreversible, Rejection};
use crate::working_set::{Inventory, PastEvent};

/// The facts that a reversal is about, in the order of the log.
type Facts<'a> = BTreeMap<EventId, &'a PastEvent>;

pub(super) fn reverse(
    inventory: &Inventory,
    now: Timestamp,
    command: &Reverse,
) -> Result<Vec<Event>, Rejection> {
    let facts: Facts<'_> = inventory
        .selection(&command.target)
        .iter()
        .map(|id| (*id, inventory.past(*id).expect("a selection is put in with its facts")))
        .collect();
    if facts.is_empty() {
        return Err(Rejection::UnknownEvent { id: command.target.to_string() });
    }
    let mut booked = booked(&command.target, &facts)?;
    booked.retain(|id, _| stands(*id, &facts));
    if booked.is_empty() {
        return Err(Rejection::AlreadyReversed { dependents: taken_back_by(&facts) });
    }

    // The newest of a lane first, so that each finds what it left behind.
    let mut newest_first: Vec<_> = booked.iter().collect();
    newest_first.sort_by_key(|(EventId(lane, position), _)| (*lane, Descending(*position)));
    let mut ledger = Ledger::new(inventory, now);
    let mut events = Vec::with_capacity(newest_first.len());
    for (&reverses, &change) in newest_first {
        let StockChange { sku, location, .. } = change;
        let delta = -change.delta.on_hand;
        let after = if delta > 0 {
            ledger.put_in(sku, location, delta)?
        } else {
            ledger.take(sku, location, -delta, Figures::available)
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
    check_nothing_moved_on(&ledger, &booked, &facts)?;
    ledger.settle(events)
}

/// What the facts did to on_hand, where they are of a kind that is taken back by an opposite.
fn booked<'a>(
    target: &Target,
    facts: &Facts<'a>,
) -> Result<BTreeMap<EventId, StockChange<'a>>, Rejection> {
    let mut booked = BTreeMap::new();
    let mut of_reservations = Vec::new();
    let mut is_described = false;
    for (id, past) in facts {
        match kind(&past.event) {
            Kind::Booking(change) => drop(booked.insert(*id, change)),
            Kind::Reservation => of_reservations.push(*id),
            Kind::Description => is_described = true,
            Kind::Lapse => {}
        }
    }
    let not_reversible = |why, dependents| Err(Rejection::NotReversible { why, dependents });
    if !of_reservations.is_empty() {
        let is_one = matches!(target, Target::Event(_));
        let in_the_way = if is_one { Vec::new() } else { of_reservations };
        return not_reversible(Irreversible::Reservation, in_the_way);
    }
    match (booked.is_empty(), is_described) {
        (false, _) => Ok(booked),
        (true, true) => not_reversible(Irreversible::Description, Vec::new()),
        (true, false) => not_reversible(Irreversible::Reservation, Vec::new()),
    }
}

/// What a fact is to a reversal.
enum Kind<'a> {
    /// It changed on_hand, and an opposite takes it back.
    Booking(StockChange<'a>),
    /// A step of a reservation, or what that did to the stock.
    Reservation,
    /// What an item or a location is.
    Description,
    /// A hold ended because its time had come, which nothing takes back.
    Lapse,
}

fn kind(event: &Event) -> Kind<'_> {
    if event.own_time().is_some() {
        return Kind::Lapse;
    }
    match event.about() {
        About::Stock(change) if change.promise.is_none() => Kind::Booking(change),
        About::Stock(_) | About::Reservation(_) => Kind::Reservation,
        About::Item(_) | About::RetiredItem(_) | About::Location(_) => Kind::Description,
    }
}

/// Whether there is something of the fact to take back: it was not taken back, nor does it only
/// undo, together with others of the facts, what these did themselves.
fn stands(id: EventId, facts: &Facts<'_>) -> bool {
    if facts[&id].is_reversed {
        return false;
    }
    let mut stands = true;
    let mut latest = id;
    while let Event::StockReversed(StockReversed { reverses, .. }) = &facts[&latest].event
        && facts.contains_key(reverses)
    {
        stands = !stands;
        latest = *reverses;
    }
    stands
}

/// The events that took the facts back, as far as they have their place in the log.
fn taken_back_by(facts: &Facts<'_>) -> Vec<EventId> {
    let by: BTreeSet<EventId> = facts.values().filter_map(|past| past.reversed_by).collect();
    by.into_iter().collect()
}

/// Only what is still available is taken out again; if it is not, the later events say why.
fn check_nothing_moved_on(
    ledger: &Ledger<'_>,
    booked: &BTreeMap<EventId, StockChange<'_>>,
    facts: &Facts<'_>,
) -> Result<(), Rejection> {
    let short: HashSet<_> = ledger.short().iter().map(|(sku, place)| (sku, place)).collect();
    if short.is_empty() {
        return Ok(());
    }
    let on_short =
        booked.iter().filter(|(_, change)| short.contains(&(change.sku, change.location)));
    let dependents: BTreeSet<EventId> = on_short
        .flat_map(|(id, _)| facts[id].dependents.iter().copied())
        .filter(|later| !facts.contains_key(later))
        .collect();
    let dependents = dependents.into_iter().collect();
    Err(Rejection::NotReversible { why: Irreversible::MovedOn, dependents })
}
