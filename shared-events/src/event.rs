//! What can happen: every fact, in the past tense, with its published version.
//!
//! A stock event carries the figures after it, so whoever looks at the topic sees balances and
//! views write absolute values.

mod data;

use serde_json::value::{RawValue, to_raw_value};

pub use self::data::{
    Cause, Context, Figures, ItemDetails, ItemRetired, LocationDetails, Reference, StockAdjusted,
    StockIssued, StockMovedIn, StockMovedOut, StockReceived, StockSet,
};
use crate::stream::Stream;
use crate::values::{LocationCode, Sku};

/// What a stock event did, whatever its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StockChange<'a> {
    /// The item.
    pub sku: &'a Sku,
    /// Where.
    pub location: &'a LocationCode,
    /// The difference to each figure.
    pub delta: Figures,
    /// The figures after it.
    pub after: Figures,
    /// Why.
    pub cause: &'a Cause,
}

impl Event {
    /// The history the fact belongs to.
    pub fn stream(&self) -> Stream {
        match self {
            Self::ItemRegistered(item) | Self::ItemChanged(item) => Stream::Item(item.sku.clone()),
            Self::ItemRetired(item) => Stream::Item(item.sku.clone()),
            Self::LocationRegistered(location) | Self::LocationChanged(location) => {
                Stream::Location(location.code.clone())
            }
            Self::StockReceived(StockReceived { sku, location, .. })
            | Self::StockIssued(StockIssued { sku, location, .. })
            | Self::StockAdjusted(StockAdjusted { sku, location, .. })
            | Self::StockSet(StockSet { sku, location, .. })
            | Self::StockMovedOut(StockMovedOut { sku, location, .. })
            | Self::StockMovedIn(StockMovedIn { sku, location, .. }) => {
                Stream::Stock(sku.clone(), location.clone())
            }
        }
    }

    /// What the fact did to the stock of an item at a location; nothing for facts about what an
    /// item or a location is.
    pub fn stock_change(&self) -> Option<StockChange<'_>> {
        let (sku, location, on_hand, after, cause) = match self {
            Self::ItemRegistered(_)
            | Self::ItemChanged(_)
            | Self::ItemRetired(_)
            | Self::LocationRegistered(_)
            | Self::LocationChanged(_) => return None,
            Self::StockReceived(stock) => {
                (&stock.sku, &stock.location, stock.quantity, stock.after, &stock.cause)
            }
            Self::StockIssued(stock) => {
                let out = stock.quantity.saturating_neg();
                (&stock.sku, &stock.location, out, stock.after, &stock.cause)
            }
            Self::StockAdjusted(stock) => {
                (&stock.sku, &stock.location, stock.delta, stock.after, &stock.cause)
            }
            Self::StockSet(stock) => {
                (&stock.sku, &stock.location, stock.delta, stock.after, &stock.cause)
            }
            Self::StockMovedOut(stock) => {
                let out = stock.quantity.saturating_neg();
                (&stock.sku, &stock.location, out, stock.after, &stock.cause)
            }
            Self::StockMovedIn(stock) => {
                (&stock.sku, &stock.location, stock.quantity, stock.after, &stock.cause)
            }
        };
        let delta = Figures { on_hand, ..Figures::default() };
        Some(StockChange { sku, location, delta, after, cause })
    }
}

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
    StockAdjusted(StockAdjusted) = 1,
    /// The count on the books was set to what was found.
    StockSet(StockSet) = 1,
    /// Goods left for another location.
    StockMovedOut(StockMovedOut) = 1,
    /// Goods came from another location.
    StockMovedIn(StockMovedIn) = 1,
    /// An item is not traded any more.
    ItemRetired(ItemRetired) = 1,
}
