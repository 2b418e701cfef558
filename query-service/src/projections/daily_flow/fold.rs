//! How much of each item came in and went out on each day. PURE.
//!
//! Days are days of UTC. An event belongs to the day it happened on, even if it was recorded later.
//! Moves between locations do not change an item as a whole and are left out. Transfers take a while: what
//! left on them and has not come in is missing meanwhile, and for good if it is lost.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use shared_events::event::Event;
use shared_events::recorded::RecordedEvent;
use shared_events::values::Sku;
use shared_events::{order_events, transfer_events};

use crate::projection::{EventPosition, Fold, Unfit};

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

/// Base units over all locations. Each amount fits 64 bits, a sum of many need not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Flow {
    pub incoming: i128,
    /// Issues and fulfilled reservations.
    pub outgoing: i128,
    /// Fulfilled units that came back.
    pub returned: i128,
    /// Adjustments, counts and reversals; negative if the books had too much.
    pub adjusted: i128,
    /// What came in or came back on transfers, less what left on them.
    pub transferred: i128,
}

impl Flow {
    pub fn plus(self, other: Self) -> Self {
        Self {
            incoming: self.incoming + other.incoming,
            outgoing: self.outgoing + other.outgoing,
            returned: self.returned + other.returned,
            adjusted: self.adjusted + other.adjusted,
            transferred: self.transferred + other.transferred,
        }
    }
}

impl Fold for Changes {
    fn fold(&mut self, recorded: &RecordedEvent, event: &Event) -> Result<(), Unfit> {
        let at = EventPosition::of(recorded);
        let flow = Flow::default();
        let (sku, flow) = match event {
            Event::ItemRegistered(item) => {
                self.count(&item.sku, at);
                return Ok(());
            }
            Event::StockReceived(one) => (&one.sku, Flow { incoming: one.quantity.into(), ..flow }),
            Event::StockIssued(one) => (&one.sku, Flow { outgoing: one.quantity.into(), ..flow }),
            Event::StockFulfilled(one) => {
                (&one.sku, Flow { outgoing: one.quantity.into(), ..flow })
            }
            Event::StockReturned(one) => (&one.sku, Flow { returned: one.quantity.into(), ..flow }),
            Event::StockAdjusted(one) => (&one.sku, Flow { adjusted: one.delta.into(), ..flow }),
            Event::StockSet(one) => (&one.sku, Flow { adjusted: one.delta.into(), ..flow }),
            Event::StockReversed(one) => (&one.sku, Flow { adjusted: one.delta.into(), ..flow }),
            Event::StockDispatched(one) => {
                (&one.sku, Flow { transferred: -i128::from(one.quantity), ..flow })
            }
            Event::StockBroughtBack(one) => {
                (&one.sku, Flow { transferred: one.quantity.into(), ..flow })
            }
            Event::StockArrived(one) => {
                (&one.sku, Flow { transferred: one.quantity.into(), ..flow })
            }
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
            | Event::ItemReinstated(_)
            | Event::LocationRegistered(_)
            | Event::LocationChanged(_)
            | Event::ReservationHeld(_)
            | Event::ReservationExtended(_)
            | Event::ReservationConfirmed(_)
            | Event::ReservationReleased(_)
            | Event::ReservationExpired(_)
            | Event::ReservationFulfilled(_)
            | Event::ReservationCancelled(_)
            | Event::ReservationReturned(_)
            | Event::StockExpected(_)
            | Event::StockLost(_)
            | Event::StockRecalled(_)
            | Event::ReservationStepRefused(_)
            | Event::SubjectForgotten(_)
            | Event::EventsRedacted(_)
            | transfer_events!(_)
            | order_events!(_)
            | Event::StockWaitlisted(_)
            | Event::StockWaitlistFilled(_)
            | Event::StockWaitlistLeft(_)
            | Event::StockWaitlistChanged(_)
            | Event::ReservationWaitlisted(_)
            | Event::ReservationFilled(_)
            | Event::ReservationWaitlistChanged(_) => return Ok(()),
        };
        let day = (sku.clone(), recorded.occurred_at.to_utc().date_naive());
        let known = self.days.get(&day).map_or(Flow::default(), |(_, known)| *known);
        self.days.insert(day, (at, known.plus(flow)));
        self.count(sku, at);
        Ok(())
    }
}

impl Changes {
    fn count(&mut self, sku: &Sku, at: EventPosition) {
        let events = self.items.get(sku).map_or(0, |known| known.events) + 1;
        self.items.insert(sku.clone(), Counted { at, events });
    }
}
