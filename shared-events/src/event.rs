//! What can happen: every fact, in the past tense, with its published version.
//!
//! A stock event carries the figures after it, so whoever looks at the topic sees balances and
//! views write absolute values.

mod about;
mod data;
mod hold;
mod upcast;

use serde_json::value::{RawValue, to_raw_value};

pub use self::about::{About, Promise, StockChange};
pub use self::data::{
    Cause, Context, Figures, ItemDetails, ItemRetired, LocationDetails, Reference, StockAdjusted,
    StockIssued, StockMovedIn, StockMovedOut, StockReceived, StockReversed, StockSet,
};
pub use self::hold::{HeldStock, HoldExtended, PromisedStock, ReservationStep};

/// A fact that cannot be read by this binary.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Written by a newer version of Stockbook, or not by Stockbook at all.
    #[error("event type {event_type} version {schema_version} is not known here")]
    UnknownType {
        /// The type's name.
        event_type: String,
        /// Its version.
        schema_version: i16,
    },
    /// The type is known, the JSON does not fit it.
    #[error("data does not fit {event_type} version {schema_version}: {source}")]
    Data {
        /// The type's name.
        event_type: String,
        /// Its version.
        schema_version: i16,
        /// What serde found.
        source: serde_json::Error,
    },
}

/// Declares every event with its payload and the version it is written with today.
macro_rules! events {
    ($($(#[$doc:meta])* $name:ident($data:ty) = $version:literal,)+) => {
        /// Every fact that can happen.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Event {
            $($(#[$doc])* $name($data),)+
        }

        impl Event {
            /// Every type's name, with the version it is written with today.
            pub const TYPES: &[(&str, i16)] = &[$((stringify!($name), $version),)+];

            /// The type's published name.
            pub fn event_type(&self) -> &'static str {
                match self {
                    $(Self::$name(_) => stringify!($name),)+
                }
            }

            /// The version this binary writes the type with.
            pub fn schema_version(&self) -> i16 {
                match self {
                    $(Self::$name(_) => $version,)+
                }
            }

            /// The JSON that is stored and sent, on one line.
            pub fn to_data(&self) -> Box<RawValue> {
                let data = match self {
                    $(Self::$name(data) => to_raw_value(data),)+
                };
                data.expect("an event is text, integers and maps with text keys, which JSON can hold")
            }

            /// Reads stored JSON back.
            ///
            /// # Errors
            /// The type or version is unknown, or the JSON does not fit it.
            pub fn from_json(
                event_type: &str,
                schema_version: i16,
                json: &str,
            ) -> Result<Self, DecodeError> {
                let event = match (event_type, schema_version) {
                    $((stringify!($name), $version) => serde_json::from_str(json).map(Self::$name),)+
                    $((stringify!($name), old) if upcast::is_older(old, $version) => {
                        upcast::upcast(event_type, schema_version, json)
                            .and_then(serde_json::from_value)
                            .map(Self::$name)
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
    /// An item exists from here on.
    ItemRegistered(ItemDetails) = 1,
    /// An item is described anew.
    ItemChanged(ItemDetails) = 1,
    /// A location exists from here on.
    LocationRegistered(LocationDetails) = 1,
    /// A location is described anew.
    LocationChanged(LocationDetails) = 1,
    /// Goods came in.
    StockReceived(StockReceived) = 1,
    /// Goods went out for good.
    StockIssued(StockIssued) = 1,
    /// The count on the books was put right.
    StockAdjusted(StockAdjusted) = 2,
    /// The count on the books was set to what was found.
    StockSet(StockSet) = 1,
    /// Goods left for another location.
    StockMovedOut(StockMovedOut) = 1,
    /// Goods came from another location.
    StockMovedIn(StockMovedIn) = 1,
    /// An item is not traded any more.
    ItemRetired(ItemRetired) = 1,
    /// What was booked before is taken back.
    StockReversed(StockReversed) = 1,
    /// A quantity is held for a reservation from here on.
    StockReserved(HeldStock) = 1,
    /// The hold ends at another moment.
    StockHoldExtended(HoldExtended) = 1,
    /// A held quantity was let go.
    StockReleased(HeldStock) = 1,
    /// The hold ended by itself.
    StockHoldExpired(HeldStock) = 1,
    /// A held quantity is promised firmly from here on.
    StockAllocated(HeldStock) = 1,
    /// A promised quantity was let go.
    StockDeallocated(PromisedStock) = 1,
    /// A promised quantity went out for good.
    StockFulfilled(PromisedStock) = 1,
    /// Of what went out, a quantity came back.
    StockReturned(PromisedStock) = 1,
    /// A reservation exists from here on.
    ReservationHeld(ReservationStep) = 1,
    /// The reservation ends at another moment.
    ReservationExtended(ReservationStep) = 1,
    /// The reservation became a firm promise.
    ReservationConfirmed(ReservationStep) = 1,
    /// The reservation, or parts of it, was let go while it was held.
    ReservationReleased(ReservationStep) = 1,
    /// The reservation's hold ended by itself.
    ReservationExpired(ReservationStep) = 1,
    /// What was promised, or parts of it, went out.
    ReservationFulfilled(ReservationStep) = 1,
    /// The promise, or parts of it, was taken back.
    ReservationCancelled(ReservationStep) = 1,
    /// Of what went out, parts came back.
    ReservationReturned(ReservationStep) = 1,
}
