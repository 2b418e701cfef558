//! The projection `stock`: what each event does to its tables. PURE.

mod promise;

#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod spec;

use std::collections::BTreeMap;

use shared_events::event::{
    Cause, Event, Figures, ItemDetails, LocationDetails, ReservationStep, StockChange,
};
use shared_events::recorded::RecordedEvent;
use shared_events::reservation::Reservation;
use shared_events::stream::Stream;
use shared_events::time::Timestamp;
use shared_events::values::{Label, LocationCode, ReservationId, Sku};

pub use self::promise::Promise;
use crate::projection::changes::{Place, Unfit};

/// What a batch changes, folded per key: of each row only the last state is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Items, as last described.
    pub items: BTreeMap<Sku, (Place, ItemDetails)>,
    /// Items that are not traded any more, which no later description changes.
    pub retired: BTreeMap<Sku, Place>,
    /// Locations, as last described.
    pub locations: BTreeMap<LocationCode, (Place, LocationDetails)>,
    /// The figures of each pair.
    pub levels: BTreeMap<(Sku, LocationCode), (Place, Figures)>,
    /// What is added to each sku's totals.
    pub totals: BTreeMap<Sku, Addition>,
    /// Every change of stock.
    pub movements: Vec<Movement>,
    /// Every name that an item or a location was given.
    pub names: Vec<Name>,
    /// Reservations, as they stand after their last step.
    pub reservations: BTreeMap<ReservationId, ReservationRow>,
}

/// What is added to a sku's totals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addition {
    /// The last event of it. Its version is that of one stream and does not count here.
    pub place: Place,
    /// The sum of the changes.
    pub delta: Figures,
    /// How many events, which is how much the streams' versions grew together.
    pub events: i64,
}

/// One change of stock.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is a member of the event with the same name")]
pub struct Movement {
    pub place: Place,
    pub sku: Sku,
    pub location: LocationCode,
    pub event_type: &'static str,
    pub cause: Cause,
    pub actor: Option<Label>,
    pub correlation_id: Label,
    pub occurred_at: Timestamp,
    pub delta: Figures,
    pub after: Figures,
    pub promise: Option<Promise>,
}

/// A name that an item or a location has from a position on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// The description.
    pub place: Place,
    /// What is described.
    pub stream: Stream,
    /// For people.
    pub name: String,
}

/// A reservation, as it stands after its last step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReservationRow {
    /// The last step.
    pub place: Place,
    /// When the first step that was folded was recorded. For a reservation that has no row yet that
    /// is its first of all; a row that is there keeps its own.
    pub made_at: Timestamp,
    /// All that is known of it.
    pub reservation: Reservation,
}

impl Changes {
    /// Adds one event, after all earlier events of its lane.
    ///
    /// # Errors
    /// The event contradicts itself; nothing has changed then.
    pub fn fold(&mut self, recorded: &RecordedEvent, event: &Event) -> Result<(), Unfit> {
        let place = Place::of(recorded);
        match event {
            Event::ItemRegistered(item) | Event::ItemChanged(item) => {
                self.fold_name(recorded, &item.name);
                self.items.insert(item.sku.clone(), (place, item.clone()));
            }
            Event::ItemRetired(item) => {
                self.retired.insert(item.sku.clone(), place);
            }
            Event::LocationRegistered(location) | Event::LocationChanged(location) => {
                self.fold_name(recorded, &location.name);
                self.locations.insert(location.code.clone(), (place, location.clone()));
            }
            Event::StockReceived(_)
            | Event::StockIssued(_)
            | Event::StockAdjusted(_)
            | Event::StockSet(_)
            | Event::StockMovedOut(_)
            | Event::StockMovedIn(_)
            | Event::StockReversed(_)
            | Event::StockReserved(_)
            | Event::StockHoldExtended(_)
            | Event::StockReleased(_)
            | Event::StockHoldExpired(_)
            | Event::StockAllocated(_)
            | Event::StockDeallocated(_)
            | Event::StockFulfilled(_)
            | Event::StockReturned(_) => {
                let change = event.stock_change().expect("a fact about stock changes stock");
                self.fold_stock(recorded, event, change)?;
            }
            Event::ReservationHeld(step)
            | Event::ReservationExtended(step)
            | Event::ReservationConfirmed(step)
            | Event::ReservationReleased(step)
            | Event::ReservationExpired(step)
            | Event::ReservationFulfilled(step)
            | Event::ReservationCancelled(step)
            | Event::ReservationReturned(step) => self.fold_reservation(place, step),
        }
        Ok(())
    }

    fn fold_stock(
        &mut self,
        recorded: &RecordedEvent,
        event: &Event,
        StockChange { sku, location, delta, after, cause }: StockChange<'_>,
    ) -> Result<(), Unfit> {
        let place = Place::of(recorded);
        // A movement shows the figures before it, so they have to exist; what is available too.
        let before = difference(after, delta).ok_or(Unfit::Overflow)?;
        for figures in [before, delta, after] {
            available(figures).ok_or(Unfit::Overflow)?;
        }
        let (folded, events) = match self.totals.get(sku) {
            Some(total) => (total.delta, total.events),
            None => (Figures::default(), 0),
        };
        let added = sum(folded, delta).ok_or(Unfit::Overflow)?;
        self.totals.insert(sku.clone(), Addition { place, delta: added, events: events + 1 });
        self.levels.insert((sku.clone(), location.clone()), (place, after));
        self.movements.push(Movement {
            place,
            sku: sku.clone(),
            location: location.clone(),
            event_type: event.event_type(),
            cause: cause.clone(),
            actor: recorded.actor.clone(),
            correlation_id: recorded.correlation_id.clone(),
            occurred_at: recorded.occurred_at,
            delta,
            after,
            promise: Promise::behind(event),
        });
        Ok(())
    }

    fn fold_name(&mut self, recorded: &RecordedEvent, name: &str) {
        let (place, stream) = (Place::of(recorded), recorded.stream.clone());
        self.names.push(Name { place, stream, name: name.to_owned() });
    }

    fn fold_reservation(&mut self, place: Place, step: &ReservationStep) {
        let reservation = step.after.clone();
        let earlier = self.reservations.get(&reservation.id);
        let made_at = earlier.map_or(place.recorded_at, |row| row.made_at);
        let row = ReservationRow { place, made_at, reservation };
        self.reservations.insert(step.after.id.clone(), row);
    }
}

fn sum(left: Figures, right: Figures) -> Option<Figures> {
    Some(Figures {
        on_hand: left.on_hand.checked_add(right.on_hand)?,
        reserved: left.reserved.checked_add(right.reserved)?,
        allocated: left.allocated.checked_add(right.allocated)?,
    })
}

fn difference(left: Figures, right: Figures) -> Option<Figures> {
    Some(Figures {
        on_hand: left.on_hand.checked_sub(right.on_hand)?,
        reserved: left.reserved.checked_sub(right.reserved)?,
        allocated: left.allocated.checked_sub(right.allocated)?,
    })
}

fn available(Figures { on_hand, reserved, allocated }: Figures) -> Option<i64> {
    on_hand.checked_sub(reserved)?.checked_sub(allocated)
}
