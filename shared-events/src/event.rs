//! Every event with its published version.
//!
//! A stock event carries the figures after it, so that readers of the topic see balances and projections
//! write absolute values. When figures got a member (`incoming`, then `waiting`), the stock events of before
//! got a new version, and when reservations learnt to wait, so did their events. Without the new members they
//! read as before.

mod about;
mod data;
mod hold;
mod order;
mod redaction;
mod subject;
mod transfer;
mod upcast;
mod waitlist;

use serde_json::value::{RawValue, to_raw_value};

use self::about::{change, minus, of_reservation, of_transfer};

pub use self::about::{About, ReservationRef, StockChange, TransferRef};
pub use self::data::{
    Cause, Context, Figures, ItemDetails, ItemReinstated, ItemRetired, LocationDetails,
    StockAdjusted, StockIssued, StockMovedIn, StockMovedOut, StockReceived, StockReversed,
    StockSet,
};
pub use self::hold::{AllocatedStock, HeldStock, HoldExtended, ReservationStep, StepRefused};
pub use self::order::OrderStep;
pub use self::redaction::{EventsRedacted, RedactedEvent};
pub use self::subject::SubjectForgotten;
pub use self::transfer::{ExpectedStock, SentStock, TransferStep};
pub use self::waitlist::{
    FilledStock, PassedOver, UnqueuedStock, WaitChanged, WaitlistedStock, WhyLeft, WhyPassedOver,
};
pub use crate::reference::Reference;

/// An event that this binary cannot read.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Written by a newer version of Stockbook, or by another program.
    #[error("event type {event_type} version {schema_version} is not known here")]
    UnknownType { event_type: String, schema_version: i16 },
    /// The JSON does not fit the known type.
    #[error("data does not fit {event_type} version {schema_version}: {source}")]
    Data { event_type: String, schema_version: i16, source: serde_json::Error },
}

/// Declares every event with its payload, the version it is written with today, and its subject.
macro_rules! events {
    ($(
        $(#[$doc:meta])*
        $name:ident($data:ty) = $version:literal, $event:ident => $about:expr;
    )+) => {
        /// Every event that can happen.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Event {
            $($(#[$doc])* $name($data),)+
        }

        impl Event {
            /// Every type with the version that is written today.
            pub const TYPES: &[(&str, i16)] = &[$((stringify!($name), $version),)+];

            /// The schema of every type as it is written today, by name.
            #[cfg(test)]
            pub(crate) fn schemas() -> std::collections::BTreeMap<String, serde_json::Value> {
                [$(crate::schema::tests::of_event::<$data>(stringify!($name), $version),)+].into()
            }

            /// The published name of the type.
            pub fn event_type(&self) -> &'static str {
                match self {
                    $(Self::$name(_) => stringify!($name),)+
                }
            }

            /// The version that this binary writes.
            pub fn schema_version(&self) -> i16 {
                match self {
                    $(Self::$name(_) => $version,)+
                }
            }

            /// The subject of the event.
            pub fn about(&self) -> About<'_> {
                match self {
                    $(Self::$name($event) => $about,)+
                }
            }

            /// The JSON that is stored and sent, on one line.
            pub fn to_data(&self) -> Box<RawValue> {
                let data = match self {
                    $(Self::$name(data) => to_raw_value(data),)+
                };
                data.expect("an event is text, integers and maps with text keys, which JSON can hold")
            }

            /// Reads the JSON of any published version.
            pub fn from_json(
                event_type: &str,
                schema_version: i16,
                json: &str,
            ) -> Result<Self, DecodeError> {
                let event = match (event_type, schema_version) {
                    $((stringify!($name), $version) => serde_json::from_str(json).map(Self::$name),)+
                    $((stringify!($name), old) if upcast::is_older(old, $version) => {
                        upcast::read(event_type, schema_version, json).map(Self::$name)
                    })+
                    _ => {
                        return Err(DecodeError::UnknownType {
                            event_type: event_type.to_owned(),
                            schema_version,
                        });
                    }
                };
                event.map_err(|source| DecodeError::Data {
                    event_type: event_type.to_owned(),
                    schema_version,
                    source,
                })
            }
        }
    };
}

events! {
    /// An item was created.
    ItemRegistered(ItemDetails) = 1, one => About::Item(one);
    /// The details of an item changed.
    ItemChanged(ItemDetails) = 1, one => About::Item(one);
    /// A location was created.
    LocationRegistered(LocationDetails) = 1, one => About::Location(one);
    /// The details of a location changed.
    LocationChanged(LocationDetails) = 1, one => About::Location(one);
    /// Goods came in.
    StockReceived(StockReceived) = 3, one => About::Stock(change!(one, on_hand one.quantity));
    /// Goods went out.
    StockIssued(StockIssued) = 3, one => About::Stock(change!(one, on_hand minus(one.quantity)));
    /// on_hand was corrected by a difference.
    StockAdjusted(StockAdjusted) = 4, one => About::Stock(change!(one, on_hand one.delta));
    /// on_hand was set to a counted quantity.
    StockSet(StockSet) = 3, one => About::Stock(change!(one, on_hand one.delta));
    /// Goods left for another location.
    StockMovedOut(StockMovedOut) = 3, one => About::Stock(change!(one, on_hand minus(one.quantity)));
    /// Goods came from another location.
    StockMovedIn(StockMovedIn) = 3, one => About::Stock(change!(one, on_hand one.quantity));
    /// An item is no longer traded.
    ItemRetired(ItemRetired) = 1, one => About::RetiredItem(one);
    /// A retired item is traded again.
    ItemReinstated(ItemReinstated) = 1, one => About::Item(&one.after);
    /// An earlier event was undone by its exact opposite.
    StockReversed(StockReversed) = 3, one => About::Stock(change!(one, on_hand one.delta));
    /// A quantity was reserved.
    StockReserved(HeldStock) = 3, one => of_reservation!(one, Some(one.expires_at), reserved one.quantity);
    /// The expiry of a hold changed.
    StockHoldExtended(HoldExtended) = 3, one => of_reservation!(one, Some(one.expires_at));
    /// A reserved quantity was released.
    StockReleased(HeldStock) = 3, one => of_reservation!(one, Some(one.expires_at), reserved minus(one.quantity));
    /// A hold expired.
    StockHoldExpired(HeldStock) = 3, one => of_reservation!(one, Some(one.expires_at), reserved minus(one.quantity));
    /// A reserved quantity was allocated.
    StockAllocated(HeldStock) = 3, one => of_reservation!(
        one, Some(one.expires_at), reserved minus(one.quantity), allocated one.quantity
    );
    /// An allocated quantity was cancelled.
    StockDeallocated(AllocatedStock) = 3, one => of_reservation!(one, None, allocated minus(one.quantity));
    /// An allocated quantity was fulfilled: it left the stock.
    StockFulfilled(AllocatedStock) = 3, one => of_reservation!(
        one, None, on_hand minus(one.quantity), allocated minus(one.quantity)
    );
    /// A fulfilled quantity was returned.
    StockReturned(AllocatedStock) = 3, one => of_reservation!(one, None, on_hand one.quantity);
    /// A reservation was created.
    ReservationHeld(ReservationStep) = 2, one => About::Reservation(one);
    /// The expiry of the reservation changed.
    ReservationExtended(ReservationStep) = 2, one => About::Reservation(one);
    /// The reservation was confirmed.
    ReservationConfirmed(ReservationStep) = 2, one => About::Reservation(one);
    /// The held reservation, or parts of it, was released.
    ReservationReleased(ReservationStep) = 2, one => About::Reservation(one);
    /// The reservation expired.
    ReservationExpired(ReservationStep) = 2, one => About::Reservation(one);
    /// The reservation, or parts of it, was fulfilled.
    ReservationFulfilled(ReservationStep) = 2, one => About::Reservation(one);
    /// The confirmed reservation, or parts of it, was cancelled.
    ReservationCancelled(ReservationStep) = 2, one => About::Reservation(one);
    /// Fulfilled parts of the reservation were returned.
    ReservationReturned(ReservationStep) = 2, one => About::Reservation(one);
    /// Goods left for another location, on a transfer.
    StockDispatched(SentStock) = 2, one => of_transfer!(one, on_hand minus(one.quantity));
    /// Goods are on their way here, on a transfer.
    StockExpected(ExpectedStock) = 2, one => of_transfer!(one, incoming one.quantity);
    /// Goods that were on their way here came in.
    StockArrived(ExpectedStock) = 2, one => of_transfer!(one, on_hand one.quantity, incoming minus(one.quantity));
    /// Goods that were on their way here are lost.
    StockLost(ExpectedStock) = 2, one => of_transfer!(one, incoming minus(one.quantity));
    /// Goods that were on their way here went back.
    StockRecalled(ExpectedStock) = 2, one => of_transfer!(one, incoming minus(one.quantity));
    /// Goods that had left on a transfer came back.
    StockBroughtBack(SentStock) = 2, one => of_transfer!(one, on_hand one.quantity);
    /// A transfer began: its goods left.
    TransferDispatched(TransferStep) = 1, one => About::Transfer(one);
    /// The transfer, or parts of it, was received.
    TransferReceived(TransferStep) = 1, one => About::Transfer(one);
    /// The transfer was closed: the rest of it is lost.
    TransferClosed(TransferStep) = 1, one => About::Transfer(one);
    /// The rest of the transfer, or parts of it, went back.
    TransferReturned(TransferStep) = 1, one => About::Transfer(one);
    /// The transfer was not done when it was expected.
    TransferOverdue(TransferStep) = 1, one => About::Transfer(one);
    /// An order was placed.
    OrderPlaced(OrderStep) = 1, one => About::Order(one);
    /// The order waits for stock.
    OrderWaitlisted(OrderStep) = 1, one => About::Order(one);
    /// Stock is held for the order.
    OrderReserved(OrderStep) = 1, one => About::Order(one);
    /// The payment service is asked something about the order, for the first time or again.
    PaymentRequested(OrderStep) = 1, one => About::Order(one);
    /// The payment service has set the money aside.
    PaymentAuthorised(OrderStep) = 1, one => About::Order(one);
    /// The payment service has not set the money aside, and will not.
    PaymentDeclined(OrderStep) = 1, one => About::Order(one);
    /// The payment service has undone the authorisation, or will refuse it.
    PaymentVoided(OrderStep) = 1, one => About::Order(one);
    /// The order is paid, and its stock firmly promised.
    OrderConfirmed(OrderStep) = 1, one => About::Order(one);
    /// The order ended because the payment service declined; its hold is released.
    OrderDeclined(OrderStep) = 1, one => About::Order(one);
    /// The order ended because it was not paid by its deadline; its hold is released.
    OrderTimedOut(OrderStep) = 1, one => About::Order(one);
    /// The order ended because its owner cancelled it; its hold is released.
    OrderCancelled(OrderStep) = 1, one => About::Order(one);
    /// The order ended because there was too little stock, or because its hold was gone when it was paid.
    OrderFailed(OrderStep) = 1, one => About::Order(one);
    /// The payment service was asked for too long; an operator has to look.
    OrderNeedsOperator(OrderStep) = 1, one => About::Order(one);
    /// An operator let the order go on.
    OrderResumed(OrderStep) = 1, one => About::Order(one);
    /// A quantity began to wait for stock.
    StockWaitlisted(WaitlistedStock) = 1, one => of_reservation!(one, None, waiting one.quantity);
    /// A waiting quantity, or a part of it, became held.
    StockWaitlistFilled(FilledStock) = 1, one => of_reservation!(
        one, Some(one.expires_at), reserved one.quantity, waiting minus(one.quantity)
    );
    /// A waiting quantity, or a part of it, left the queue without having been filled.
    StockWaitlistLeft(UnqueuedStock) = 1, one => of_reservation!(one, None, waiting minus(one.quantity));
    /// The priority of a waiting quantity, or the end of its waiting, changed.
    StockWaitlistChanged(WaitChanged) = 1, one => of_reservation!(one, None);
    /// A reservation was created that waits for all or a part of its stock.
    ReservationWaitlisted(ReservationStep) = 1, one => About::Reservation(one);
    /// Parts that a reservation waited for became held.
    ReservationFilled(ReservationStep) = 1, one => About::Reservation(one);
    /// The priority of a waiting reservation, or the end of its waiting, changed.
    ReservationWaitlistChanged(ReservationStep) = 1, one => About::Reservation(one);
    /// A step of the reservation that others' event asked for was not possible.
    ReservationStepRefused(StepRefused) = 1, one => About::Reservation(&one.of);
    /// A key of a person was deleted, and with it all that it had sealed.
    SubjectForgotten(SubjectForgotten) = 1, one => About::Subject(one);
    /// Bytes of earlier events of the lane were removed.
    EventsRedacted(EventsRedacted) = 1, one => About::Redaction(one);
}
