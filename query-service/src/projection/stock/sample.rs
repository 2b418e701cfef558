//! A small log to test with: events as the command-service would record them.

use std::collections::BTreeMap;

use serde_json::value::RawValue;
use shared_events::chain::Chain;
use shared_events::event::{
    Cause, Event, Figures, ItemDetails, ItemRetired, LocationDetails, StockAdjusted, StockIssued,
    StockMovedIn, StockMovedOut, StockReceived,
};
use shared_events::lane::{Lane, LaneMap, Position, Version};
use shared_events::recorded::RecordedEvent;
use shared_events::stream::Stream;
use shared_events::time::Timestamp;

/// Lanes of events, each in order, with its chain.
pub(crate) struct Log {
    pub(crate) lane_map: LaneMap,
    /// Every event, in the order of recording.
    pub(crate) events: Vec<RecordedEvent>,
    heads: BTreeMap<Lane, (Position, Chain)>,
    versions: BTreeMap<Stream, Version>,
    on_hand: BTreeMap<Stream, i64>,
}

impl Log {
    pub(crate) fn with_lanes(lanes: u16) -> Self {
        Self {
            lane_map: LaneMap::even(lanes).expect("a legal number of lanes"),
            events: Vec::new(),
            heads: BTreeMap::new(),
            versions: BTreeMap::new(),
            on_hand: BTreeMap::new(),
        }
    }

    /// The events of one lane.
    pub(crate) fn lane(&self, lane: Lane) -> Vec<&RecordedEvent> {
        self.events.iter().filter(|event| event.lane == lane).collect()
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
        self.record(Stream::Item(item.sku.clone()), &Event::ItemRegistered(item));
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
        self.record(Stream::Location(location.code.clone()), &Event::LocationRegistered(location));
    }

    pub(crate) fn receive(&mut self, sku: &str, location: &str, quantity: i64) {
        let stream = stock(sku, location);
        let received = StockReceived {
            sku: sku.parse().expect("a sku"),
            location: location.parse().expect("a location"),
            quantity,
            after: self.change(&stream, quantity),
            cause: Cause::default(),
        };
        self.record(stream, &Event::StockReceived(received));
    }

    pub(crate) fn issue(&mut self, sku: &str, location: &str, quantity: i64) {
        let stream = stock(sku, location);
        let issued = StockIssued {
            sku: sku.parse().expect("a sku"),
            location: location.parse().expect("a location"),
            quantity,
            purpose: None,
            after: self.change(&stream, -quantity),
            cause: Cause::default(),
        };
        self.record(stream, &Event::StockIssued(issued));
    }

    pub(crate) fn adjust(&mut self, sku: &str, location: &str, delta: i64) {
        let stream = stock(sku, location);
        let adjusted = StockAdjusted {
            sku: sku.parse().expect("a sku"),
            location: location.parse().expect("a location"),
            delta,
            after: self.change(&stream, delta),
            cause: Cause { reason: Some("count".parse().expect("a code")), ..Cause::default() },
        };
        self.record(stream, &Event::StockAdjusted(adjusted));
    }

    pub(crate) fn move_stock(&mut self, sku: &str, from: &str, to: &str, quantity: i64) {
        let (source, target) = (stock(sku, from), stock(sku, to));
        let out = StockMovedOut {
            sku: sku.parse().expect("a sku"),
            location: from.parse().expect("a location"),
            to: to.parse().expect("a location"),
            quantity,
            after: self.change(&source, -quantity),
            cause: Cause::default(),
        };
        self.record(source, &Event::StockMovedOut(out));
        let inward = StockMovedIn {
            sku: sku.parse().expect("a sku"),
            location: to.parse().expect("a location"),
            from: from.parse().expect("a location"),
            quantity,
            after: self.change(&target, quantity),
            cause: Cause::default(),
        };
        self.record(target, &Event::StockMovedIn(inward));
    }

    fn change(&mut self, stream: &Stream, delta: i64) -> Figures {
        let on_hand = self.on_hand.entry(stream.clone()).or_default();
        *on_hand += delta;
        Figures { on_hand: *on_hand, reserved: 0, allocated: 0 }
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
        let lane = self.lane_map.lane_of(stream.key());
        let (position, chain) = self.heads.get(&lane).copied().unwrap_or_default();
        let version = self.versions.entry(stream.clone()).or_default();
        *version = version.next();
        let mut recorded = RecordedEvent {
            lane,
            position: position.next(),
            stream,
            version: *version,
            event_type: event_type.to_owned(),
            schema_version,
            occurred_at: Timestamp::UNIX_EPOCH,
            recorded_at: Timestamp::UNIX_EPOCH,
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

fn stock(sku: &str, location: &str) -> Stream {
    Stream::Stock(sku.parse().expect("a sku"), location.parse().expect("a location"))
}
