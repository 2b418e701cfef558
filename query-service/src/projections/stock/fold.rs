//! What each event changes in the tables of `stock`. PURE.

use std::collections::{BTreeMap, BTreeSet};

use shared_events::event::{
    About, Cause, Event, EventsRedacted, Figures, FilledStock, ItemDetails, LocationDetails,
    ReservationRef, ReservationStep, StockChange, TransferRef, TransferStep, UnqueuedStock,
    WaitChanged, WaitlistedStock,
};
use shared_events::lane::EventId;
use shared_events::recorded::RecordedEvent;
use shared_events::redaction::RedactedMember;
use shared_events::reservation::Reservation;
use shared_events::stream::Stream;
use shared_events::time::Timestamp;
use shared_events::transfer::Transfer;
use shared_events::values::{Label, LocationCode, ReservationId, Sku, TransferId};

use crate::projection::{EventPosition, Fold, Unfit};
use crate::projections::reorder_point::reorder_point;

/// What a batch changes, folded per key: only the last state of each row is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    pub items: BTreeMap<Sku, (EventPosition, ItemDetails)>,
    /// Retired items; no later description changes them.
    pub retired: BTreeMap<Sku, EventPosition>,
    pub locations: BTreeMap<LocationCode, (EventPosition, LocationDetails)>,
    pub levels: BTreeMap<(Sku, LocationCode), (EventPosition, Figures)>,
    pub totals: BTreeMap<Sku, Addition>,
    pub movements: Vec<Movement>,
    pub names: Vec<Name>,
    pub reorder_points: Vec<ReorderPoint>,
    pub reservations: BTreeMap<ReservationId, ReservationRow>,
    pub transfers: BTreeMap<TransferId, TransferRow>,
    /// By reservation and line.
    pub waiters: BTreeMap<(ReservationId, u32), Waiter>,
    /// The events whose references, and whose free names and values, were removed. What was written from one of
    /// them is without them, too.
    pub without_reference: Vec<EventId>,
    pub without_metadata: Vec<EventId>,
}

/// What is added to the totals of a sku.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addition {
    /// The last event. Its version belongs to one stream and means nothing here.
    pub at: EventPosition,
    pub delta: Totals,
    /// How many events, which is by how much the versions of the streams grew together.
    pub events: i64,
}

/// Figures over all locations. Those of one location fit 64 bits, a sum of them need not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    pub on_hand: i128,
    pub reserved: i128,
    pub allocated: i128,
    pub incoming: i128,
    pub waiting: i128,
}

impl Totals {
    pub fn plus(self, delta: Figures) -> Self {
        Self {
            on_hand: self.on_hand + i128::from(delta.on_hand),
            reserved: self.reserved + i128::from(delta.reserved),
            allocated: self.allocated + i128::from(delta.allocated),
            incoming: self.incoming + i128::from(delta.incoming),
            waiting: self.waiting + i128::from(delta.waiting),
        }
    }
}

impl From<Figures> for Totals {
    fn from(figures: Figures) -> Self {
        Self::default().plus(figures)
    }
}

/// One change of stock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Movement {
    pub at: EventPosition,
    pub sku: Sku,
    pub location: LocationCode,
    pub event_type: &'static str,
    pub cause: Cause,
    pub actor: Option<Label>,
    pub correlation_id: Label,
    pub occurred_at: Timestamp,
    pub delta: Figures,
    pub after: Figures,
    /// The reservation's id, its line and when the hold ends, if the change is for a reservation.
    pub promise: Option<(ReservationId, u32, Option<Timestamp>)>,
    /// The transfer's id and its line, if the change is for a transfer.
    pub transfer: Option<(TransferId, u32)>,
}

/// The name of an item or a location from one position on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    pub at: EventPosition,
    pub stream: Stream,
    pub name: String,
    pub occurred_at: Timestamp,
}

/// The reorder point of an item from one position on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReorderPoint {
    pub at: EventPosition,
    pub sku: Sku,
    pub reorder_point: i64,
    pub occurred_at: Timestamp,
}

/// A reservation after its last step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReservationRow {
    pub at: EventPosition,
    /// When the first folded step was recorded. It counts for new rows only; a stored row keeps the
    /// time it has.
    pub made_at: Timestamp,
    pub reservation: Reservation,
}

/// A transfer after its last step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferRow {
    pub at: EventPosition,
    /// When the first folded step was recorded. It counts for new rows only; a stored row keeps the
    /// time it has.
    pub made_at: Timestamp,
    pub transfer: Transfer,
}

/// What a batch does to a line that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Waiter {
    /// It began to wait in this batch.
    New(Box<NewWaiter>),
    /// It waited before.
    Changed(WaiterChange),
    /// It waits no more.
    Gone,
}

/// A line that began to wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewWaiter {
    pub sku: Sku,
    pub location: LocationCode,
    pub owner: Label,
    /// The event that it waits since.
    pub since: EventPosition,
    pub state: WaiterChange,
}

/// How a line that waits stands after an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WaiterChange {
    pub at: EventPosition,
    pub waiting: i64,
    /// None if it is as before.
    pub priority: Option<u8>,
    pub wait_until: Timestamp,
}

/// The locations that a transfer leaves (true) and goes to (false), each once.
pub fn places(transfer: &Transfer) -> BTreeSet<(bool, &LocationCode)> {
    let lines = transfer.lines.iter();
    lines.flat_map(|line| [(true, &line.from), (false, &line.to)]).collect()
}

impl Fold for Changes {
    fn fold(&mut self, recorded: &RecordedEvent, event: &Event) -> Result<(), Unfit> {
        let at = EventPosition::of(recorded);
        let about = event.about();
        if let Some((sku, reorder_point)) = reorder_point(&about) {
            let (sku, occurred_at) = (sku.clone(), recorded.occurred_at);
            self.reorder_points.push(ReorderPoint { at, sku, reorder_point, occurred_at });
        }
        match about {
            About::Item(item) => {
                // A retired item is described again only when it is reinstated.
                self.retired.remove(&item.sku);
                self.fold_name(recorded, &item.name);
                self.items.insert(item.sku.clone(), (at, item.clone()));
            }
            About::RetiredItem(item) => {
                self.retired.insert(item.sku.clone(), at);
            }
            About::Location(location) => {
                self.fold_name(recorded, &location.name);
                self.locations.insert(location.code.clone(), (at, location.clone()));
            }
            About::Stock(change) => {
                self.fold_stock(recorded, event.event_type(), change)?;
                self.fold_waiter(at, event);
            }
            About::Reservation(step) => self.fold_reservation(at, step),
            About::Transfer(step) => self.fold_transfer(at, step),
            // Orders have their own view, and no view has anything of a person.
            About::Order(_) | About::Subject(_) => {}
            About::Redaction(redacted) => self.fold_redaction(redacted),
        }
        Ok(())
    }
}

impl Changes {
    fn fold_stock(
        &mut self,
        recorded: &RecordedEvent,
        event_type: &'static str,
        StockChange { sku, location, delta, after, cause, reservation, transfer }: StockChange<'_>,
    ) -> Result<(), Unfit> {
        let at = EventPosition::of(recorded);
        // A movement shows the figures before it, so they have to exist; what is available too.
        let before = after.checked_sub(delta).ok_or(Unfit::Overflow)?;
        for figures in [before, delta, after] {
            figures.checked_available().ok_or(Unfit::Overflow)?;
        }
        let (folded, events) = match self.totals.get(sku) {
            Some(total) => (total.delta, total.events),
            None => (Totals::default(), 0),
        };
        let addition = Addition { at, delta: folded.plus(delta), events: events + 1 };
        self.totals.insert(sku.clone(), addition);
        self.levels.insert((sku.clone(), location.clone()), (at, after));
        let owned = |one: ReservationRef<'_>| (one.id.clone(), one.line, one.expires_at);
        self.movements.push(Movement {
            at,
            sku: sku.clone(),
            location: location.clone(),
            event_type,
            cause: cause.clone(),
            actor: recorded.actor.clone(),
            correlation_id: recorded.correlation_id.clone(),
            occurred_at: recorded.occurred_at,
            delta,
            after,
            promise: reservation.map(owned),
            transfer: transfer.map(|TransferRef { id, line }| (id.clone(), line)),
        });
        Ok(())
    }

    fn fold_redaction(&mut self, redacted: &EventsRedacted) {
        self.without_reference.extend(redacted.without(RedactedMember::Reference));
        self.without_metadata.extend(redacted.without(RedactedMember::Metadata));
    }

    fn fold_waiter(&mut self, at: EventPosition, event: &Event) {
        let (reservation, line, waiting, priority, wait_until) = match event {
            Event::StockWaitlisted(waitlisted) => return self.add_waiter(at, waitlisted),
            Event::StockWaitlistFilled(FilledStock {
                reservation,
                line,
                waiting,
                wait_until,
                ..
            })
            | Event::StockWaitlistLeft(UnqueuedStock {
                reservation,
                line,
                waiting,
                wait_until,
                ..
            }) => (reservation, line, *waiting, None, *wait_until),
            Event::StockWaitlistChanged(WaitChanged {
                reservation,
                line,
                quantity,
                priority,
                wait_until,
                ..
            }) => (reservation, line, *quantity, Some(*priority), *wait_until),
            _ => return,
        };
        let key = (reservation.clone(), *line);
        let mut state = WaiterChange { at, waiting, priority, wait_until };
        let waiter = match self.waiters.remove(&key) {
            _ if waiting == 0 => Waiter::Gone,
            Some(Waiter::New(new)) => {
                state.priority = priority.or(new.state.priority);
                Waiter::New(Box::new(NewWaiter { state, ..*new }))
            }
            Some(Waiter::Changed(before)) => {
                state.priority = priority.or(before.priority);
                Waiter::Changed(state)
            }
            Some(Waiter::Gone) | None => Waiter::Changed(state),
        };
        self.waiters.insert(key, waiter);
    }

    fn add_waiter(&mut self, at: EventPosition, event: &WaitlistedStock) {
        let new = NewWaiter {
            sku: event.sku.clone(),
            location: event.location.clone(),
            owner: event.owner.clone(),
            since: at,
            state: WaiterChange {
                at,
                waiting: event.quantity,
                priority: Some(event.priority),
                wait_until: event.wait_until,
            },
        };
        self.waiters.insert((event.reservation.clone(), event.line), Waiter::New(Box::new(new)));
    }

    fn fold_name(&mut self, recorded: &RecordedEvent, name: &str) {
        let (at, stream) = (EventPosition::of(recorded), recorded.stream.clone());
        let (name, occurred_at) = (name.to_owned(), recorded.occurred_at);
        self.names.push(Name { at, stream, name, occurred_at });
    }

    fn fold_reservation(&mut self, at: EventPosition, step: &ReservationStep) {
        let reservation = step.after.clone();
        let earlier = self.reservations.get(&reservation.id);
        let made_at = earlier.map_or(at.recorded_at, |row| row.made_at);
        let row = ReservationRow { at, made_at, reservation };
        self.reservations.insert(step.after.id.clone(), row);
    }

    fn fold_transfer(&mut self, at: EventPosition, step: &TransferStep) {
        let transfer = step.after.clone();
        let earlier = self.transfers.get(&transfer.id);
        let made_at = earlier.map_or(at.recorded_at, |row| row.made_at);
        self.transfers.insert(transfer.id.clone(), TransferRow { at, made_at, transfer });
    }
}
