//! The subject of an event, so that most code need not know every type.

use super::{
    AllocatedStock, Cause, Event, ExpectedStock, Figures, FilledStock, HeldStock, HoldExtended,
    ItemDetails, ItemRetired, LocationDetails, OrderStep, ReservationStep, SentStock,
    StockAdjusted, StockIssued, StockMovedIn, StockMovedOut, StockReceived, StockReversed,
    StockSet, TransferStep, UnqueuedStock, WaitChanged, WaitlistedStock, WhyLeft,
};
use crate::stream::Stream;
use crate::time::Timestamp;
use crate::values::{LocationCode, ReservationId, Sku, TransferId};

/// The subject of an event and its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About<'a> {
    /// The details of an item that is traded, from now on.
    Item(&'a ItemDetails),
    /// An item that is no longer traded.
    RetiredItem(&'a ItemRetired),
    /// The new details of a location.
    Location(&'a LocationDetails),
    /// The stock of an item at a location.
    Stock(StockChange<'a>),
    /// A step in the life of a reservation.
    Reservation(&'a ReservationStep),
    /// A step in the life of a transfer.
    Transfer(&'a TransferStep),
    /// A step in the life of an order.
    Order(&'a OrderStep),
}

/// A change of the stock of an item at a location.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StockChange<'a> {
    /// The item.
    pub sku: &'a Sku,
    /// The location.
    pub location: &'a LocationCode,
    /// The difference to each figure; all zeros if only the expiry of a hold changed.
    pub delta: Figures,
    /// The figures after the event.
    pub after: Figures,
    /// The cause.
    pub cause: &'a Cause,
    /// The reservation that caused it, if any.
    pub reservation: Option<ReservationRef<'a>>,
    /// The transfer that caused it, if any.
    pub transfer: Option<TransferRef<'a>>,
}

/// The line of a reservation that a change of stock is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReservationRef<'a> {
    /// The reservation.
    pub id: &'a ReservationId,
    /// Its line, from 1.
    pub line: u32,
    /// The expiry of the hold, if the change concerns one.
    pub expires_at: Option<Timestamp>,
}

/// The line of a transfer that a change of stock is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransferRef<'a> {
    /// The transfer.
    pub id: &'a TransferId,
    /// Its line, from 1.
    pub line: u32,
}

impl Event {
    /// The subject of the event.
    pub fn about(&self) -> About<'_> {
        let none = Figures::default();
        match self {
            Self::ItemRegistered(item) | Self::ItemChanged(item) => About::Item(item),
            Self::ItemReinstated(reinstated) => About::Item(&reinstated.after),
            Self::ItemRetired(retired) => About::RetiredItem(retired),
            Self::LocationRegistered(location) | Self::LocationChanged(location) => {
                About::Location(location)
            }
            Self::StockReceived(StockReceived { sku, location, quantity, after, cause })
            | Self::StockMovedIn(StockMovedIn { sku, location, quantity, after, cause, .. }) => {
                booked(sku, location, *quantity, *after, cause)
            }
            Self::StockIssued(StockIssued { sku, location, quantity, after, cause, .. })
            | Self::StockMovedOut(StockMovedOut {
                sku, location, quantity, after, cause, ..
            }) => booked(sku, location, minus(*quantity), *after, cause),
            Self::StockAdjusted(StockAdjusted { sku, location, delta, after, cause, .. })
            | Self::StockSet(StockSet { sku, location, delta, after, cause })
            | Self::StockReversed(StockReversed { sku, location, delta, after, cause, .. }) => {
                booked(sku, location, *delta, *after, cause)
            }
            Self::StockReserved(hold) => held(hold, Figures { reserved: hold.quantity, ..none }),
            Self::StockReleased(hold) | Self::StockHoldExpired(hold) => {
                held(hold, Figures { reserved: minus(hold.quantity), ..none })
            }
            Self::StockAllocated(hold) => {
                let (reserved, allocated) = (minus(hold.quantity), hold.quantity);
                held(hold, Figures { reserved, allocated, ..none })
            }
            Self::StockHoldExtended(hold) => extended(hold),
            Self::StockDeallocated(stock) => {
                allocated(stock, Figures { allocated: minus(stock.quantity), ..none })
            }
            Self::StockFulfilled(stock) => {
                let gone = minus(stock.quantity);
                allocated(stock, Figures { on_hand: gone, allocated: gone, ..none })
            }
            Self::StockReturned(stock) => {
                allocated(stock, Figures { on_hand: stock.quantity, ..none })
            }
            Self::ReservationHeld(step)
            | Self::ReservationExtended(step)
            | Self::ReservationConfirmed(step)
            | Self::ReservationReleased(step)
            | Self::ReservationExpired(step)
            | Self::ReservationFulfilled(step)
            | Self::ReservationCancelled(step)
            | Self::ReservationReturned(step)
            | Self::ReservationWaitlisted(step)
            | Self::ReservationFilled(step)
            | Self::ReservationWaitlistChanged(step) => About::Reservation(step),
            Self::ReservationStepRefused(refused) => About::Reservation(&refused.of),
            Self::StockDispatched(stock) => sent(stock, minus(stock.quantity)),
            Self::StockBroughtBack(stock) => sent(stock, stock.quantity),
            Self::StockExpected(stock) => expected(stock, 0, stock.quantity),
            Self::StockArrived(stock) => expected(stock, stock.quantity, minus(stock.quantity)),
            Self::StockLost(stock) | Self::StockRecalled(stock) => {
                expected(stock, 0, minus(stock.quantity))
            }
            crate::transfer_events!(step) => About::Transfer(step),
            crate::order_events!(step) => About::Order(step),
            Self::StockWaitlisted(waitlisted) => began_to_wait(waitlisted),
            Self::StockWaitlistFilled(filled) => filled_up(filled),
            Self::StockWaitlistLeft(left) => unqueued(left),
            Self::StockWaitlistChanged(changed) => wait_changed(changed),
        }
    }

    /// The stream of the event.
    pub fn stream(&self) -> Stream {
        match self.about() {
            About::Item(ItemDetails { sku, .. }) | About::RetiredItem(ItemRetired { sku, .. }) => {
                Stream::Item(sku.clone())
            }
            About::Location(location) => Stream::Location(location.code.clone()),
            About::Stock(StockChange { sku, location, .. }) => {
                Stream::Stock(sku.clone(), location.clone())
            }
            About::Reservation(step) => Stream::Reservation(step.after.id.clone()),
            About::Transfer(step) => Stream::Transfer(step.after.id.clone()),
            About::Order(step) => Stream::Order(step.after.id.clone()),
        }
    }

    /// The time of an event that no caller chooses: a hold ends at its expiry, waiting at its end, and a
    /// transfer is overdue from the moment it was expected at, even if that is recorded later. Those who wait
    /// get what there is when it is recorded, whenever it came.
    pub fn own_time(&self) -> Option<Timestamp> {
        match self {
            Self::StockHoldExpired(hold) => Some(hold.expires_at),
            Self::ReservationExpired(step) => Some(step.after.expires_at),
            Self::TransferOverdue(step) => step.after.expected_at,
            Self::StockWaitlistFilled(filled) => Some(filled.filled_at),
            Self::StockWaitlistLeft(UnqueuedStock { why: WhyLeft::Ended, wait_until, .. }) => {
                Some(*wait_until)
            }
            _ => None,
        }
    }

    /// The change of stock, if it is a stock event.
    pub fn stock_change(&self) -> Option<StockChange<'_>> {
        match self.about() {
            About::Stock(change) => Some(change),
            _ => None,
        }
    }

    /// The step of a reservation, if it is an event of a reservation.
    pub fn reservation_step(&self) -> Option<&ReservationStep> {
        match self.about() {
            About::Reservation(step) => Some(step),
            _ => None,
        }
    }

    /// The step of a transfer, if it is an event of a transfer.
    pub fn transfer_step(&self) -> Option<&TransferStep> {
        match self.about() {
            About::Transfer(step) => Some(step),
            _ => None,
        }
    }

    /// The step of an order, if it is an event of an order.
    pub fn order_step(&self) -> Option<&OrderStep> {
        match self.about() {
            About::Order(step) => Some(step),
            _ => None,
        }
    }
}

/// The opposite of a quantity. The least integer, which only a forged event can contain, has none and is
/// returned as it is, so that reading cannot fail.
fn minus(quantity: i64) -> i64 {
    quantity.wrapping_neg()
}

/// A change of on_hand without a reservation.
fn booked<'a>(
    sku: &'a Sku,
    location: &'a LocationCode,
    on_hand: i64,
    after: Figures,
    cause: &'a Cause,
) -> About<'a> {
    let delta = Figures { on_hand, ..Figures::default() };
    let (reservation, transfer) = (None, None);
    About::Stock(StockChange { sku, location, delta, after, cause, reservation, transfer })
}

fn sent(stock: &SentStock, on_hand: i64) -> About<'_> {
    let delta = Figures { on_hand, ..Figures::default() };
    let SentStock { sku, location, transfer, line, after, cause, .. } = stock;
    of_transfer(sku, location, delta, *after, cause, TransferRef { id: transfer, line: *line })
}

fn expected(stock: &ExpectedStock, on_hand: i64, incoming: i64) -> About<'_> {
    let delta = Figures { on_hand, incoming, ..Figures::default() };
    let ExpectedStock { sku, location, transfer, line, after, cause, .. } = stock;
    of_transfer(sku, location, delta, *after, cause, TransferRef { id: transfer, line: *line })
}

fn of_transfer<'a>(
    sku: &'a Sku,
    location: &'a LocationCode,
    delta: Figures,
    after: Figures,
    cause: &'a Cause,
    transfer: TransferRef<'a>,
) -> About<'a> {
    let (reservation, transfer) = (None, Some(transfer));
    About::Stock(StockChange { sku, location, delta, after, cause, reservation, transfer })
}

/// A change for a reservation.
fn of_reservation<'a>(
    sku: &'a Sku,
    location: &'a LocationCode,
    delta: Figures,
    after: Figures,
    cause: &'a Cause,
    reservation: ReservationRef<'a>,
) -> About<'a> {
    let (reservation, transfer) = (Some(reservation), None);
    About::Stock(StockChange { sku, location, delta, after, cause, reservation, transfer })
}

fn held(hold: &HeldStock, delta: Figures) -> About<'_> {
    let HeldStock { sku, location, reservation, line, expires_at, after, cause, .. } = hold;
    let reservation =
        ReservationRef { id: reservation, line: *line, expires_at: Some(*expires_at) };
    of_reservation(sku, location, delta, *after, cause, reservation)
}

fn extended(hold: &HoldExtended) -> About<'_> {
    let HoldExtended { sku, location, reservation, line, expires_at, after, cause, .. } = hold;
    let reservation =
        ReservationRef { id: reservation, line: *line, expires_at: Some(*expires_at) };
    of_reservation(sku, location, Figures::default(), *after, cause, reservation)
}

fn began_to_wait(waitlisted: &WaitlistedStock) -> About<'_> {
    let WaitlistedStock { sku, location, reservation, line, quantity, after, cause, .. } =
        waitlisted;
    let delta = Figures { waiting: *quantity, ..Figures::default() };
    let reservation = ReservationRef { id: reservation, line: *line, expires_at: None };
    of_reservation(sku, location, delta, *after, cause, reservation)
}

fn filled_up(filled: &FilledStock) -> About<'_> {
    let FilledStock {
        sku, location, reservation, line, quantity, expires_at, after, cause, ..
    } = filled;
    let (reserved, waiting) = (*quantity, minus(*quantity));
    let delta = Figures { reserved, waiting, ..Figures::default() };
    let reservation =
        ReservationRef { id: reservation, line: *line, expires_at: Some(*expires_at) };
    of_reservation(sku, location, delta, *after, cause, reservation)
}

fn unqueued(left: &UnqueuedStock) -> About<'_> {
    let UnqueuedStock { sku, location, reservation, line, quantity, after, cause, .. } = left;
    let delta = Figures { waiting: minus(*quantity), ..Figures::default() };
    let reservation = ReservationRef { id: reservation, line: *line, expires_at: None };
    of_reservation(sku, location, delta, *after, cause, reservation)
}

fn wait_changed(changed: &WaitChanged) -> About<'_> {
    let WaitChanged { sku, location, reservation, line, after, cause, .. } = changed;
    let reservation = ReservationRef { id: reservation, line: *line, expires_at: None };
    of_reservation(sku, location, Figures::default(), *after, cause, reservation)
}

fn allocated(stock: &AllocatedStock, delta: Figures) -> About<'_> {
    let AllocatedStock { sku, location, reservation, line, after, cause, .. } = stock;
    let reservation = ReservationRef { id: reservation, line: *line, expires_at: None };
    of_reservation(sku, location, delta, *after, cause, reservation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forged_quantity_without_an_opposite_can_still_be_read() {
        let after = r#"{"on_hand":0,"reserved":0,"allocated":0}"#;
        let (place, quantity) = (r#""sku":"A","location":"MAIN""#, i64::MIN);
        let json = format!(r#"{{{place},"quantity":{quantity},"after":{after}}}"#);
        let event = Event::from_json("StockIssued", 1, &json).expect("it has every member");
        assert_eq!(event.stream().to_string(), "stock/A/MAIN");
        assert_eq!(event.stock_change().expect("it is about stock").delta.on_hand, i64::MIN);
    }
}
