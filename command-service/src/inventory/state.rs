//! What is known of each stream, folded from its events, and the working set a decision looks at.

use std::collections::HashMap;

use shared_events::event::{
    Event, Figures, ItemDetails, ItemRetired, LocationDetails, StockAdjusted, StockIssued,
    StockMovedIn, StockMovedOut, StockReceived, StockSet,
};
use shared_events::lane::Version;
use shared_events::stream::Stream;
use shared_events::values::{LocationCode, Sku};

/// What is known of an item.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
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
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LocationState {
    /// Events folded so far.
    pub version: Version,
    /// What it is; nothing until it is registered.
    pub details: Option<LocationDetails>,
}

/// The stock of an item at a location.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StockState {
    /// Events folded so far.
    pub version: Version,
    /// The figures.
    pub figures: Figures,
}

/// The state of one stream of any kind, as a cache keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamState {
    /// Of `item/…`.
    Item(Sku, ItemState),
    /// Of `location/…`.
    Location(LocationCode, LocationState),
    /// Of `stock/…`.
    Stock((Sku, LocationCode), StockState),
}

/// The working set: the states of all streams that the decisions at hand look at. A stream that is
/// not in it has no history.
#[derive(Debug, Clone, Default)]
pub struct Inventory {
    items: HashMap<Sku, ItemState>,
    locations: HashMap<LocationCode, LocationState>,
    stock: HashMap<(Sku, LocationCode), StockState>,
}

impl Inventory {
    /// Folds an event that follows on what is known; returns its version in its stream.
    pub fn evolve(&mut self, event: &Event) -> Version {
        match event {
            Event::ItemRegistered(details) | Event::ItemChanged(details) => {
                let item = self.items.entry(details.sku.clone()).or_default();
                item.version = item.version.next();
                item.details = Some(details.clone());
                item.version
            }
            Event::LocationRegistered(details) | Event::LocationChanged(details) => {
                let location = self.locations.entry(details.code.clone()).or_default();
                location.version = location.version.next();
                location.details = Some(details.clone());
                location.version
            }
            Event::ItemRetired(ItemRetired { sku, .. }) => {
                let item = self.items.entry(sku.clone()).or_default();
                item.version = item.version.next();
                item.retired = true;
                item.version
            }
            Event::StockReceived(StockReceived { sku, location, after, .. })
            | Event::StockIssued(StockIssued { sku, location, after, .. })
            | Event::StockAdjusted(StockAdjusted { sku, location, after, .. })
            | Event::StockSet(StockSet { sku, location, after, .. })
            | Event::StockMovedOut(StockMovedOut { sku, location, after, .. })
            | Event::StockMovedIn(StockMovedIn { sku, location, after, .. }) => {
                self.mark_stocked(sku);
                let stock = self.stock.entry((sku.clone(), location.clone())).or_default();
                stock.version = stock.version.next();
                stock.figures = *after;
                stock.version
            }
        }
    }

    /// What is known of an item.
    pub fn item(&self, sku: &Sku) -> Option<&ItemState> {
        self.items.get(sku)
    }

    /// What is known of a location.
    pub fn location(&self, code: &LocationCode) -> Option<&LocationState> {
        self.locations.get(code)
    }

    /// The stock of an item at a location; all zeros where there is no history.
    pub fn stock(&self, sku: &Sku, location: &LocationCode) -> StockState {
        self.stock.get(&(sku.clone(), location.clone())).copied().unwrap_or_default()
    }

    /// The stock of an item at every location that is in the working set.
    pub fn stock_everywhere(&self, sku: &Sku) -> impl Iterator<Item = StockState> + '_ {
        let sku = sku.clone();
        self.stock.iter().filter(move |((one, _), _)| *one == sku).map(|(_, stock)| *stock)
    }

    /// Puts a state into the working set.
    pub fn insert(&mut self, state: StreamState) {
        match state {
            StreamState::Item(sku, item) => drop(self.items.insert(sku, item)),
            StreamState::Location(code, location) => drop(self.locations.insert(code, location)),
            StreamState::Stock(key, stock) => drop(self.stock.insert(key, stock)),
        }
    }

    /// Notes that stock events name the item, if the item is in the working set.
    pub fn mark_stocked(&mut self, sku: &Sku) {
        if let Some(item) = self.items.get_mut(sku) {
            item.stocked = true;
        }
    }

    /// The version of a stream; 0 where there is no history.
    pub fn version(&self, stream: &Stream) -> Version {
        match stream {
            Stream::Item(sku) => self.item(sku).map(|item| item.version),
            Stream::Location(code) => self.location(code).map(|location| location.version),
            Stream::Stock(sku, location) => Some(self.stock(sku, location).version),
        }
        .unwrap_or_default()
    }

    /// Takes the working set apart into the states of its streams, in no order.
    pub fn into_states(self) -> impl Iterator<Item = StreamState> {
        let items = self.items.into_iter().map(|(sku, item)| StreamState::Item(sku, item));
        let locations =
            self.locations.into_iter().map(|(code, state)| StreamState::Location(code, state));
        let stock = self.stock.into_iter().map(|(key, stock)| StreamState::Stock(key, stock));
        items.chain(locations).chain(stock)
    }
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
        }
    }

    /// The stream it is the state of.
    pub fn stream(&self) -> Stream {
        match self {
            Self::Item(sku, _) => Stream::Item(sku.clone()),
            Self::Location(code, _) => Stream::Location(code.clone()),
            Self::Stock((sku, location), _) => Stream::Stock(sku.clone(), location.clone()),
        }
    }
}
