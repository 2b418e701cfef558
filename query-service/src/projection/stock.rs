//! The projection `stock`: what each event does to its tables. PURE.

#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod spec;

use std::collections::BTreeMap;

use shared_events::event::{
    self, About, Cause, Event, Figures, ItemDetails, LocationDetails, ReservationStep, StockChange,
};
use shared_events::recorded::RecordedEvent;
use shared_events::reservation::Reservation;
use shared_events::stream::Stream;
use shared_events::time::Timestamp;
use shared_events::values::{Label, LocationCode, ReservationId, Sku};

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

/// Whom a change of stock is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promise {
    pub reservation: ReservationId,
    pub line: u32,
    pub expires_at: Option<Timestamp>,
}

impl From<event::Promise<'_>> for Promise {
    fn from(event::Promise { reservation, line, expires_at }: event::Promise<'_>) -> Self {
        Self { reservation: reservation.clone(), line, expires_at }
    }
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
        match event.about() {
            About::Item(item) => {
                self.fold_name(recorded, &item.name);
                self.items.insert(item.sku.clone(), (place, item.clone()));
            }
            About::RetiredItem(item) => {
                self.retired.insert(item.sku.clone(), place);
            }
            About::Location(location) => {
                self.fold_name(recorded, &location.name);
                self.locations.insert(location.code.clone(), (place, location.clone()));
            }
            About::Stock(change) => self.fold_stock(recorded, event.event_type(), change)?,
            About::Reservation(step) => self.fold_reservation(place, step),
        }
        Ok(())
    }

    fn fold_stock(
        &mut self,
        recorded: &RecordedEvent,
        event_type: &'static str,
        StockChange { sku, location, delta, after, cause, promise }: StockChange<'_>,
    ) -> Result<(), Unfit> {
        let place = Place::of(recorded);
        // A movement shows the figures before it, so they have to exist; what is available too.
        let before = difference(after, delta).ok_or(Unfit::Overflow)?;
        for figures in [before, delta, after] {
            figures.checked_available().ok_or(Unfit::Overflow)?;
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
            event_type,
            cause: cause.clone(),
            actor: recorded.actor.clone(),
            correlation_id: recorded.correlation_id.clone(),
            occurred_at: recorded.occurred_at,
            delta,
            after,
            promise: promise.map(Promise::from),
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
