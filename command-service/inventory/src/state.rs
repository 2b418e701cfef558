//! What is known of one stream, folded from its events.

mod holds;

use serde::{Deserialize, Serialize};
use shared_events::event::{Figures, ItemDetails, LocationDetails};
use shared_events::lane::Version;
use shared_events::reservation::Reservation;
use shared_events::stream::Stream;
use shared_events::values::{LocationCode, ReservationId, Sku};

pub use self::holds::{Hold, Holds};

/// The number of the way in which events are folded into these states. A state that is stored bears
/// it; whoever changes what a history folds to raises it.
pub const FOLD_VERSION: i16 = 1;

/// What is known of an item.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemState {
    /// Events folded so far.
    pub version: Version,
    /// What it is; nothing until it is registered.
    pub details: Option<ItemDetails>,
    /// Whether it is traded no more.
    pub retired: bool,
    /// Whether any stock event names it, at any location. Facts of other streams, but of the same
    /// lane, so it is as exact as the rest.
    pub stocked: bool,
}

/// What is known of a location.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocationState {
    /// Events folded so far.
    pub version: Version,
    /// What it is; nothing until it is registered.
    pub details: Option<LocationDetails>,
}

/// The stock of an item at a location.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockState {
    /// Events folded so far.
    pub version: Version,
    /// The figures.
    pub figures: Figures,
    /// What of `reserved` is held for whom until when.
    #[serde(default, skip_serializing_if = "Holds::is_empty")]
    pub holds: Holds,
}

/// What is known of a reservation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReservationState {
    /// Events folded so far.
    pub version: Version,
    /// What it is now; nothing until it is made.
    pub details: Option<Reservation>,
    /// Whether anything of it was ever cancelled.
    pub cancelled: bool,
}

/// The state of one stream of any kind, as a cache keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamState {
    /// Of `item/…`.
    Item(Sku, ItemState),
    /// Of `location/…`.
    Location(LocationCode, LocationState),
    /// Of `stock/…`.
    Stock((Sku, LocationCode), StockState),
    /// Of `reservation/…`.
    Reservation(ReservationId, ReservationState),
}

impl StreamState {
    /// The state before the first event.
    pub fn initial(stream: &Stream) -> Self {
        match stream {
            Stream::Item(sku) => Self::Item(sku.clone(), ItemState::default()),
            Stream::Location(code) => Self::Location(code.clone(), LocationState::default()),
            Stream::Stock(sku, location) => {
                Self::Stock((sku.clone(), location.clone()), StockState::default())
            }
            Stream::Reservation(id) => Self::Reservation(id.clone(), ReservationState::default()),
        }
    }

    /// The stream it is the state of.
    pub fn stream(&self) -> Stream {
        match self {
            Self::Item(sku, _) => Stream::Item(sku.clone()),
            Self::Location(code, _) => Stream::Location(code.clone()),
            Self::Stock((sku, location), _) => Stream::Stock(sku.clone(), location.clone()),
            Self::Reservation(id, _) => Stream::Reservation(id.clone()),
        }
    }

    /// Events folded so far.
    pub fn version(&self) -> Version {
        match self {
            Self::Item(_, item) => item.version,
            Self::Location(_, location) => location.version,
            Self::Stock(_, stock) => stock.version,
            Self::Reservation(_, reservation) => reservation.version,
        }
    }
}
