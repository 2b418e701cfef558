//! The subject of an event, so that most code need not know every type.

use super::{
    Cause, Event, EventsRedacted, Figures, ItemDetails, ItemRetired, LocationDetails, OrderStep,
    ReservationStep, SubjectForgotten, TransferStep, UnqueuedStock, WhyLeft,
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
    /// A person whose personal data nobody can read any more.
    Subject(&'a SubjectForgotten),
    /// Events of which bytes were removed.
    Redaction(&'a EventsRedacted),
}

/// A change of the stock of an item at a location.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StockChange<'a> {
    pub sku: &'a Sku,
    pub location: &'a LocationCode,
    /// The difference to each figure; all zeros if only the expiry of a hold changed.
    pub delta: Figures,
    pub after: Figures,
    pub cause: &'a Cause,
    /// The reservation that caused it, if any.
    pub reservation: Option<ReservationRef<'a>>,
    /// The transfer that caused it, if any.
    pub transfer: Option<TransferRef<'a>>,
}

/// The line of a reservation that a change of stock is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReservationRef<'a> {
    pub id: &'a ReservationId,
    /// Its line, from 1.
    pub line: u32,
    /// The expiry of the hold, if the change concerns one.
    pub expires_at: Option<Timestamp>,
}

/// The line of a transfer that a change of stock is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransferRef<'a> {
    pub id: &'a TransferId,
    /// Its line, from 1.
    pub line: u32,
}

impl Event {
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
            About::Subject(one) => Stream::Subject(one.subject.clone()),
            About::Redaction(one) => Stream::Redaction(one.lane.0),
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

    /// Every location that the event is about, in the order of its lines; with duplicates.
    pub fn locations(&self) -> Vec<&LocationCode> {
        match self.about() {
            About::Item(_) | About::RetiredItem(_) | About::Subject(_) | About::Redaction(_) => {
                Vec::new()
            }
            About::Location(location) => vec![&location.code],
            About::Stock(change) => vec![change.location],
            About::Reservation(step) => {
                step.after.lines.iter().map(|line| &line.location).collect()
            }
            About::Transfer(step) => {
                step.after.lines.iter().flat_map(|line| [&line.from, &line.to]).collect()
            }
            About::Order(step) => step.after.lines.iter().map(|line| &line.location).collect(),
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
pub(super) fn minus(quantity: i64) -> i64 {
    quantity.wrapping_neg()
}

/// A change of these figures by the amounts that an event says.
macro_rules! change {
    ($event:ident $(, $figure:ident $amount:expr)*) => {
        StockChange {
            sku: &$event.sku,
            location: &$event.location,
            delta: Figures { $($figure: $amount,)* ..Figures::default() },
            after: $event.after,
            cause: &$event.cause,
            reservation: None,
            transfer: None,
        }
    };
}

/// The same for a line of a reservation, and the expiry of its hold, if the change concerns one.
macro_rules! of_reservation {
    ($event:ident, $expires_at:expr $(, $figure:ident $amount:expr)*) => {
        About::Stock(StockChange {
            reservation: Some(ReservationRef {
                id: &$event.reservation,
                line: $event.line,
                expires_at: $expires_at,
            }),
            ..change!($event $(, $figure $amount)*)
        })
    };
}

/// The same for a line of a transfer.
macro_rules! of_transfer {
    ($event:ident $(, $figure:ident $amount:expr)*) => {
        About::Stock(StockChange {
            transfer: Some(TransferRef { id: &$event.transfer, line: $event.line }),
            ..change!($event $(, $figure $amount)*)
        })
    };
}
pub(super) use {change, of_reservation, of_transfer};

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
