//! How much of each item came in and went out on each day. PURE.
//!
//! Days are days of UTC. An event belongs to the day it happened on, even if it was recorded later.
//! Moves between locations do not change an item as a whole and are left out.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use shared_events::event::Event;
use shared_events::recorded::RecordedEvent;
use shared_events::values::Sku;

use crate::projection::{EventPosition, Unfit};

/// What a batch adds, folded per item and per day.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    pub items: BTreeMap<Sku, Counted>,
    pub days: BTreeMap<(Sku, NaiveDate), (EventPosition, Flow)>,
}

/// How many events counted for an item, its registration included, and the last of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    pub at: EventPosition,
    pub events: i64,
}

/// Base units over all locations.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Flow {
    pub incoming: i64,
    /// Issues and fulfilled reservations.
    pub outgoing: i64,
    /// Fulfilled units that came back.
    pub returned: i64,
    /// Adjustments, counts and reversals; negative if the books had too much.
    pub adjusted: i64,
}

impl Flow {
    pub fn net(self) -> Option<i64> {
        let moved = self.incoming.checked_sub(self.outgoing)?;
        moved.checked_add(self.returned)?.checked_add(self.adjusted)
    }

    pub fn plus(self, other: Self) -> Option<Self> {
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
    /// Adds one event, after all earlier events of its lane. An error changes nothing.
    pub fn fold(&mut self, recorded: &RecordedEvent, event: &Event) -> Result<(), Unfit> {
        let at = EventPosition::of(recorded);
        let flow = Flow::default();
        let (sku, flow) = match event {
            Event::ItemRegistered(item) => {
                self.count(&item.sku, at);
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
        self.days.insert(day, (at, flow));
        self.count(sku, at);
        Ok(())
    }

    fn count(&mut self, sku: &Sku, at: EventPosition) {
        let events = self.items.get(sku).map_or(0, |known| known.events) + 1;
        self.items.insert(sku.clone(), Counted { at, events });
    }
}
