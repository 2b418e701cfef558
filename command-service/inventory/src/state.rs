//! The state of one stream, folded from its events.

use std::collections::BTreeSet;

use imbl::OrdMap;
use serde::{Deserialize, Serialize};
use shared_events::event::{Figures, ItemDetails, LocationDetails, Reference};
use shared_events::lane::{Lane, Version};
use shared_events::order::Order;
use shared_events::reservation::Reservation;
use shared_events::stream::Stream;
use shared_events::time::Timestamp;
use shared_events::transfer::Transfer;
use shared_events::values::{Label, LocationCode, OrderId, ReservationId, Sku, TransferId};

use super::queue::Queue;

/// The version of the fold, stored with every snapshot. Raise it when a history folds to another
/// state than before.
pub const FOLD_VERSION: i16 = 3;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemState {
    pub version: Version,
    /// None until it is registered.
    pub details: Option<ItemDetails>,
    pub retired: bool,
    /// Whether it has stock events at any location. They are in other streams but in the same lane,
    /// so this is as exact as the rest.
    pub stocked: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocationState {
    pub version: Version,
    /// None until it is registered.
    pub details: Option<LocationDetails>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockState {
    pub version: Version,
    pub figures: Figures,
    /// The newest moment at which one of its events happened.
    pub newest_at: Option<Timestamp>,
    /// The holds that `reserved` consists of.
    #[serde(default, skip_serializing_if = "Holds::is_empty")]
    pub holds: Holds,
    /// Those who wait for it, of whom `waiting` consists.
    #[serde(default, skip_serializing_if = "Queue::is_empty")]
    pub queue: Queue,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReservationState {
    pub version: Version,
    /// None until it is made.
    pub details: Option<Reservation>,
    /// The newest moment at which one of its events happened.
    pub newest_at: Option<Timestamp>,
    /// Whether any part was ever cancelled.
    pub cancelled: bool,
    /// The reference of its last release or cancellation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_for: Option<Box<Reference>>,
    /// The order that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<Box<OrderId>>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferState {
    pub version: Version,
    /// None until it is dispatched.
    pub details: Option<Transfer>,
    /// The newest moment at which one of its events happened.
    pub newest_at: Option<Timestamp>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderState {
    pub version: Version,
    /// None until it is placed.
    pub details: Option<Box<Order>>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubjectState {
    pub version: Version,
    /// The keys that were deleted.
    pub forgotten: BTreeSet<Label>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RedactionState {
    pub version: Version,
    /// How many events its events name; one that lost members twice counts twice.
    pub events: u64,
}

/// The state of one stream of any kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamState {
    Item(Sku, ItemState),
    Location(LocationCode, LocationState),
    Stock((Sku, LocationCode), StockState),
    Reservation(ReservationId, ReservationState),
    Transfer(TransferId, TransferState),
    Order(OrderId, OrderState),
    Subject(Label, SubjectState),
    Redaction(Lane, RedactionState),
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
            Stream::Transfer(id) => Self::Transfer(id.clone(), TransferState::default()),
            Stream::Order(id) => Self::Order(id.clone(), OrderState::default()),
            Stream::Subject(subject) => Self::Subject(subject.clone(), SubjectState::default()),
            Stream::Redaction(lane) => Self::Redaction(Lane(*lane), RedactionState::default()),
        }
    }

    pub fn stream(&self) -> Stream {
        match self {
            Self::Item(sku, _) => Stream::Item(sku.clone()),
            Self::Location(code, _) => Stream::Location(code.clone()),
            Self::Stock((sku, location), _) => Stream::Stock(sku.clone(), location.clone()),
            Self::Reservation(id, _) => Stream::Reservation(id.clone()),
            Self::Transfer(id, _) => Stream::Transfer(id.clone()),
            Self::Order(id, _) => Stream::Order(id.clone()),
            Self::Subject(subject, _) => Stream::Subject(subject.clone()),
            Self::Redaction(lane, _) => Stream::Redaction(lane.0),
        }
    }

    /// The number of events folded so far.
    pub fn version(&self) -> Version {
        match self {
            Self::Item(_, item) => item.version,
            Self::Location(_, location) => location.version,
            Self::Stock(_, stock) => stock.version,
            Self::Reservation(_, reservation) => reservation.version,
            Self::Transfer(_, transfer) => transfer.version,
            Self::Order(_, order) => order.version,
            Self::Subject(_, subject) => subject.version,
            Self::Redaction(_, redaction) => redaction.version,
        }
    }
}

/// The key of a hold. Holds are ordered by expiry.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Hold {
    pub expires_at: Timestamp,
    pub reservation: ReservationId,
    /// The line of the reservation, from 1.
    pub line: u32,
}

impl Hold {
    pub fn new(expires_at: Timestamp, reservation: &ReservationId, line: u32) -> Self {
        Self { expires_at, reservation: reservation.clone(), line }
    }
}

/// Held quantities, ordered by expiry. The map is persistent: a clone shares the entries, so that a
/// busy item with many holds is not copied with each batch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<(Hold, i64)>", into = "Vec<(Hold, i64)>")]
pub struct Holds(OrdMap<Hold, i64>);

impl Holds {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The quantity of a hold in base units; 0 if there is no such hold.
    pub fn quantity(&self, hold: &Hold) -> i64 {
        self.0.get(hold).copied().unwrap_or_default()
    }

    /// The holds that have expired at `now`, in the order of their expiry.
    pub fn expired(&self, now: Timestamp) -> impl Iterator<Item = (&Hold, i64)> + '_ {
        let expired = self.0.iter().take_while(move |(hold, _)| hold.expires_at <= now);
        expired.map(|(hold, quantity)| (hold, *quantity))
    }

    /// Adds a difference to the quantity of a hold and removes the hold at zero.
    pub fn change(&mut self, hold: Hold, difference: i64) {
        let quantity = self.quantity(&hold) + difference;
        if quantity == 0 {
            self.0.remove(&hold);
        } else {
            self.0.insert(hold, quantity);
        }
    }
}

impl From<Vec<(Hold, i64)>> for Holds {
    fn from(holds: Vec<(Hold, i64)>) -> Self {
        Self(holds.into_iter().collect())
    }
}

impl From<Holds> for Vec<(Hold, i64)> {
    fn from(holds: Holds) -> Self {
        holds.0.into_iter().collect()
    }
}
