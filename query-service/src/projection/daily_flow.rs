//! What came in and went out of each item on each day, folded from a batch of events. PURE.
//!
//! A day is a day of UTC, and an event belongs to the day on which it happened, however late it was
//! recorded. Moves between locations bring and take nothing from an item as a whole: they are left
//! out.

#[cfg(test)]
mod properties;
#[cfg(test)]
mod spec;

use std::collections::BTreeMap;

use chrono::NaiveDate;
use shared_events::event::Event;
use shared_events::recorded::RecordedEvent;
use shared_events::values::Sku;

use crate::projection::changes::{Place, Unfit};

/// What a batch adds, folded per item and per day.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// How many events counted for each item, its registration among them.
    pub items: BTreeMap<Sku, Counted>,
    /// What is added to each item's days.
    pub days: BTreeMap<(Sku, NaiveDate), (Place, Flow)>,
}

/// Events that counted for an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// The last of them.
    pub place: Place,
    /// How many.
    pub events: i64,
}

/// What came in and went out, in base units, over all locations.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Flow {
    /// Received.
    pub incoming: i64,
    /// Issued, and what was reserved and went out.
    pub outgoing: i64,
    /// Of what was reserved and went out, what came back.
    pub returned: i64,
    /// Adjusted, counted and taken back; negative when the books had too much.
    pub adjusted: i64,
}

impl Flow {
    /// By how much more there is after it.
    pub fn net(self) -> Option<i64> {
        let brought = self.incoming.checked_sub(self.outgoing)?;
        brought.checked_add(self.returned)?.checked_add(self.adjusted)
    }

    fn plus(self, other: Self) -> Option<Self> {
        let sum = Self {
            incoming: self.incoming.checked_add(other.incoming)?,
            outgoing: self.outgoing.checked_add(other.outgoing)?,
            returned: self.returned.checked_add(other.returned)?,
            adjusted: self.adjusted.checked_add(other.adjusted)?,
        };
        sum.net().map(|_| sum)
    }
}

impl Changes {
    /// Adds one event, after all earlier events of its lane.
    ///
    /// # Errors
    /// A sum leaves the range of 64 bits; nothing has changed then.
    pub fn fold(&mut self, recorded: &RecordedEvent, event: &Event) -> Result<(), Unfit> {
        let place = Place::of(recorded);
        let flow = Flow::default();
        let (sku, flow) = match event {
            Event::ItemRegistered(item) => {
                self.count(&item.sku, place);
                return Ok(());
            }
            Event::StockReceived(one) => (&one.sku, Flow { incoming: one.quantity, ..flow }),
            Event::StockIssued(one) => (&one.sku, Flow { outgoing: one.quantity, ..flow }),
            Event::StockFulfilled(one) => (&one.sku, Flow { outgoing: one.quantity, ..flow }),
            Event::StockReturned(one) => (&one.sku, Flow { returned: one.quantity, ..flow }),
            Event::StockAdjusted(one) => (&one.sku, Flow { adjusted: one.delta, ..flow }),
            Event::StockSet(one) => (&one.sku, Flow { adjusted: one.delta, ..flow }),
            Event::StockReversed(one) => (&one.sku, Flow { adjusted: one.delta, ..flow }),
            Event::StockMovedOut(_)
            | Event::StockMovedIn(_)
            | Event::StockReserved(_)
            | Event::StockHoldExtended(_)
            | Event::StockReleased(_)
            | Event::StockHoldExpired(_)
            | Event::StockAllocated(_)
            | Event::StockDeallocated(_)
            | Event::ItemChanged(_)
            | Event::ItemRetired(_)
            | Event::LocationRegistered(_)
            | Event::LocationChanged(_)
            | Event::ReservationHeld(_)
            | Event::ReservationExtended(_)
            | Event::ReservationConfirmed(_)
            | Event::ReservationReleased(_)
            | Event::ReservationExpired(_)
            | Event::ReservationFulfilled(_)
            | Event::ReservationCancelled(_)
            | Event::ReservationReturned(_) => return Ok(()),
        };
        let day = (sku.clone(), recorded.occurred_at.to_utc().date_naive());
        let known = self.days.get(&day).map_or(Flow::default(), |(_, known)| *known);
        let flow = known.plus(flow).ok_or(Unfit::Overflow)?;
        self.days.insert(day, (place, flow));
        self.count(sku, place);
        Ok(())
    }

    fn count(&mut self, sku: &Sku, place: Place) {
        let events = self.items.get(sku).map_or(0, |known| known.events) + 1;
        self.items.insert(sku.clone(), Counted { place, events });
    }
}
