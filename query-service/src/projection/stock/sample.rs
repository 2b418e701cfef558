//! A small log to test with: events as the command-service would record them.

pub(crate) mod hold;

use std::collections::BTreeMap;

use chrono::DateTime;
use serde_json::value::RawValue;
use shared_events::chain::Chain;
use shared_events::event::{
    Cause, Event, Figures, ItemDetails, ItemRetired, LocationDetails, StockAdjusted, StockIssued,
    StockMovedIn, StockMovedOut, StockReceived, StockReversed, StockSet,
};
use shared_events::lane::{EventId, Lane, LaneMap, Position, Version};
use shared_events::recorded::RecordedEvent;
use shared_events::reservation::Reservation;
use shared_events::stream::Stream;
use shared_events::time::Timestamp;
use shared_events::values::{LocationCode, ReversalId, Sku};
use uuid::Uuid;

/// Lanes of events, each in order, with its chain.
pub(crate) struct Log {
    pub(crate) lane_map: LaneMap,
    /// Every event, in the order of recording.
    pub(crate) events: Vec<RecordedEvent>,
    heads: BTreeMap<Lane, (Position, Chain)>,
    versions: BTreeMap<Stream, Version>,
    figures: BTreeMap<Stream, Figures>,
    reservations: Vec<Reservation>,
    occurred_at: Option<Timestamp>,
}

impl Log {
    pub(crate) fn with_lanes(lanes: u16) -> Self {
        Self {
            lane_map: LaneMap::even(lanes).expect("a legal number of lanes"),
            events: Vec::new(),
            heads: BTreeMap::new(),
            versions: BTreeMap::new(),
            figures: BTreeMap::new(),
            reservations: Vec::new(),
            occurred_at: None,
        }
    }

    /// What is there of an item, over all locations.
    pub(crate) fn on_hand_everywhere(&self, sku: &str) -> i64 {
        let of_item =
            |stream: &Stream| matches!(stream, Stream::Stock(of, _) if of.as_str() == sku);
        let figures = self.figures.iter().filter(|(stream, _)| of_item(stream));
        figures.map(|(_, figures)| figures.on_hand).sum()
    }

    /// The events of one lane.
    pub(crate) fn lane(&self, lane: Lane) -> Vec<&RecordedEvent> {
        self.events.iter().filter(|event| event.lane == lane).collect()
    }

    /// What is told from here on happened at this moment, whenever it is recorded.
    pub(crate) fn happened_at(&mut self, moment: Timestamp) {
        self.occurred_at = Some(moment);
    }

    /// What is available of an item at a location.
    pub(crate) fn available(&self, sku: &str, location: &str) -> i64 {
        let stream = Stream::Stock(sku.parse().expect("a sku"), place(location));
        self.figures.get(&stream).map_or(0, |figures| figures.available())
    }

    pub(crate) fn register_item(&mut self, sku: &str, reorder_point: i64) {
        let item = ItemDetails {
            sku: sku.parse().expect("a sku"),
            name: format!("item {sku}"),
            scale: 0,
            unit: "each".parse().expect("a unit"),
            reorder_point,
            context: None,
        };
        let stream = Stream::Item(item.sku.clone());
        let is_known = self.versions.contains_key(&stream);
        let told = if is_known { Event::ItemChanged } else { Event::ItemRegistered };
        self.record(stream, &told(item));
    }

    pub(crate) fn retire_item(&mut self, sku: &str) {
        let retired = ItemRetired { sku: sku.parse().expect("a sku"), cause: Cause::default() };
        self.record(Stream::Item(retired.sku.clone()), &Event::ItemRetired(retired));
    }

    pub(crate) fn register_location(&mut self, code: &str) {
        let location = LocationDetails {
            code: code.parse().expect("a location"),
            name: format!("location {code}"),
            kind: None,
            context: None,
        };
        let stream = Stream::Location(location.code.clone());
        let is_known = self.versions.contains_key(&stream);
        let told = if is_known { Event::LocationChanged } else { Event::LocationRegistered };
        self.record(stream, &told(location));
    }

    pub(crate) fn receive(&mut self, sku: &str, location: &str, quantity: i64) {
        self.change_stock(sku, location, on_hand(quantity), |sku, location, after| {
            let cause = Cause::default();
            Event::StockReceived(StockReceived { sku, location, quantity, after, cause })
        });
    }

    pub(crate) fn issue(&mut self, sku: &str, location: &str, quantity: i64) {
        self.change_stock(sku, location, on_hand(-quantity), |sku, location, after| {
            let (purpose, cause) = (None, Cause::default());
            Event::StockIssued(StockIssued { sku, location, quantity, purpose, after, cause })
        });
    }

    pub(crate) fn adjust(&mut self, sku: &str, location: &str, delta: i64) {
        self.change_stock(sku, location, on_hand(delta), |sku, location, after| {
            let shortage = after.available() < 0;
            let cause = because("count");
            Event::StockAdjusted(StockAdjusted { sku, location, delta, shortage, after, cause })
        });
    }

    pub(crate) fn set(&mut self, sku: &str, location: &str, delta: i64) {
        self.change_stock(sku, location, on_hand(delta), |sku, location, after| {
            let cause = because("count");
            Event::StockSet(StockSet { sku, location, delta, after, cause })
        });
    }

    pub(crate) fn move_stock(&mut self, sku: &str, from: &str, to: &str, quantity: i64) {
        let (origin, target) = (place(from), place(to));
        self.change_stock(sku, from, on_hand(-quantity), |sku, location, after| {
            let cause = Cause::default();
            Event::StockMovedOut(StockMovedOut {
                sku,
                location,
                to: target,
                quantity,
                after,
                cause,
            })
        });
        self.change_stock(sku, to, on_hand(quantity), |sku, location, after| {
            let cause = Cause::default();
            Event::StockMovedIn(StockMovedIn {
                sku,
                location,
                from: origin,
                quantity,
                after,
                cause,
            })
        });
    }

    /// Takes back the first event, as if that had changed this stock by the opposite.
    pub(crate) fn reverse(&mut self, sku: &str, location: &str, delta: i64) {
        self.change_stock(sku, location, on_hand(delta), |sku, location, after| {
            Event::StockReversed(StockReversed {
                sku,
                location,
                reverses: EventId(Lane(0), Position(1)),
                reversal: ReversalId::new(Uuid::from_u128(1)),
                delta,
                after,
                cause: because("booked_twice"),
            })
        });
    }

    fn change_stock(
        &mut self,
        sku: &str,
        location: &str,
        delta: Figures,
        event: impl FnOnce(Sku, LocationCode, Figures) -> Event,
    ) {
        let (sku, location): (Sku, _) = (sku.parse().expect("a sku"), place(location));
        let stream = Stream::Stock(sku.clone(), location.clone());
        let figures = self.figures.entry(stream.clone()).or_default();
        figures.on_hand += delta.on_hand;
        figures.reserved += delta.reserved;
        figures.allocated += delta.allocated;
        let event = event(sku, location, *figures);
        self.record(stream, &event);
    }

    /// An event that only a newer version of Stockbook knows.
    pub(crate) fn record_unknown(&mut self, sku: &str) {
        let stream = Stream::Item(sku.parse().expect("a sku"));
        let data = RawValue::from_string("{}".to_owned()).expect("an object is JSON");
        self.record_raw(stream, "ItemSealed", 1, data);
    }

    fn record(&mut self, stream: Stream, event: &Event) {
        self.record_raw(stream, event.event_type(), event.schema_version(), event.to_data());
    }

    fn record_raw(
        &mut self,
        stream: Stream,
        event_type: &str,
        schema_version: i16,
        data: Box<RawValue>,
    ) {
        let lane = self.lane_map.lane_of(&stream);
        let (position, chain) = self.heads.get(&lane).copied().unwrap_or_default();
        let version = self.versions.entry(stream.clone()).or_default();
        *version = version.next();
        let recorded_at = at(i64::try_from(self.events.len()).expect("a small log"));
        let mut recorded = RecordedEvent {
            lane,
            position: position.next(),
            stream,
            version: *version,
            event_type: event_type.to_owned(),
            schema_version,
            occurred_at: self.occurred_at.unwrap_or(recorded_at),
            recorded_at,
            actor: None,
            correlation_id: "c-1".parse().expect("a label"),
            causation_id: None,
            data,
            chain: Chain::default(),
            traceparent: None,
        };
        recorded.chain = recorded.chain_after(chain);
        self.heads.insert(lane, (recorded.position, recorded.chain));
        self.events.push(recorded);
    }
}

fn on_hand(on_hand: i64) -> Figures {
    Figures { on_hand, ..Figures::default() }
}

fn because(reason: &str) -> Cause {
    Cause { reason: Some(reason.parse().expect("a code")), ..Cause::default() }
}

fn place(location: &str) -> LocationCode {
    location.parse().expect("a location")
}

/// So many seconds after the first moment there is.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::new(DateTime::from_timestamp(seconds, 0).expect("a few seconds after 1970"))
}
