//! A small log for tests: events as the command-service records them, with consistent figures, versions
//! and chains.

mod actions;
mod orders;
mod transfers;
mod waiting;

use std::collections::{BTreeMap, BTreeSet};

use chrono::DateTime;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use shared_events::chain::{Chain, Hash, data_hash};
use shared_events::event::{Event, EventsRedacted, Figures, RedactedEvent, Reference};
use shared_events::lane::{Lane, LaneMap, Position, Version};
use shared_events::order::Order;
use shared_events::recorded::RecordedEvent;
use shared_events::redaction::{Redacted, RedactedMember};
use shared_events::reservation::{Part, Reservation, ReservationLine, ReservationStatus};
use shared_events::slot::slot_of;
use shared_events::stream::Stream;
use shared_events::time::Timestamp;
use shared_events::transfer::Transfer;
use shared_events::values::ReservationId;
use uuid::Uuid;

pub(crate) use self::actions::{actions, log_of};
pub(crate) use self::transfers::TransferChange;
pub(crate) use self::waiting::WaitStep;
use crate::projection::Fold as _;
use crate::projections::view::View;

/// Lanes of the logs that [`log_of`] makes.
pub(crate) const LANES: u16 = 3;

pub(crate) struct Log {
    pub(crate) lane_map: LaneMap,
    /// Every event, in the order of recording.
    pub(crate) events: Vec<RecordedEvent>,
    heads: BTreeMap<Lane, (Position, Chain)>,
    versions: BTreeMap<Stream, Version>,
    figures: BTreeMap<Stream, Figures>,
    reservations: Vec<Reservation>,
    transfers: Vec<Transfer>,
    orders: Vec<Order>,
    waiting: Vec<Reservation>,
    occurred_at: Option<Timestamp>,
}

/// What happens to a reservation after it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Extend,
    Confirm,
    Release,
    Expire,
    Cancel,
    Fulfil,
    Return,
}

impl Step {
    pub(crate) const ALL: [Self; 7] = [
        Self::Extend,
        Self::Confirm,
        Self::Release,
        Self::Expire,
        Self::Cancel,
        Self::Fulfil,
        Self::Return,
    ];

    /// The event of the reservation, the events of its lines, and how these change the stock.
    fn effect(self, quantity: i64) -> (&'static str, &'static str, Figures) {
        let delta = |on_hand, reserved, allocated| Figures {
            on_hand,
            reserved,
            allocated,
            ..Figures::default()
        };
        let q = quantity;
        match self {
            Self::Extend => ("ReservationExtended", "StockHoldExtended", delta(0, 0, 0)),
            Self::Confirm => ("ReservationConfirmed", "StockAllocated", delta(0, -q, q)),
            Self::Release => ("ReservationReleased", "StockReleased", delta(0, -q, 0)),
            Self::Expire => ("ReservationExpired", "StockHoldExpired", delta(0, -q, 0)),
            Self::Cancel => ("ReservationCancelled", "StockDeallocated", delta(0, 0, -q)),
            Self::Fulfil => ("ReservationFulfilled", "StockFulfilled", delta(-q, 0, -q)),
            Self::Return => ("ReservationReturned", "StockReturned", delta(q, 0, 0)),
        }
    }
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
            transfers: Vec::new(),
            orders: Vec::new(),
            waiting: Vec::new(),
            occurred_at: None,
        }
    }

    pub(crate) fn on_hand_everywhere(&self, sku: &str) -> i64 {
        let of_item =
            |stream: &Stream| matches!(stream, Stream::Stock(of, _) if of.as_str() == sku);
        let figures = self.figures.iter().filter(|(stream, _)| of_item(stream));
        figures.map(|(_, figures)| figures.on_hand).sum()
    }

    pub(crate) fn available(&self, sku: &str, location: &str) -> i64 {
        let figures = self.figures.get(&stock_stream(sku, location));
        figures.map_or(0, |figures| figures.available())
    }

    pub(crate) fn lane(&self, lane: Lane) -> Vec<&RecordedEvent> {
        self.events.iter().filter(|event| event.lane == lane).collect()
    }

    /// Later events happened at this moment, whenever they are recorded.
    pub(crate) fn happened_at(&mut self, moment: Timestamp) {
        self.occurred_at = Some(moment);
    }

    pub(crate) fn register_item(&mut self, sku: &str, reorder_point: i64) {
        let data = item(sku, reorder_point);
        self.describe(&format!("item/{sku}"), ["ItemRegistered", "ItemChanged"], &data);
    }

    pub(crate) fn register_location(&mut self, code: &str) {
        let data = json!({ "code": code, "name": format!("location {code}") });
        let types = ["LocationRegistered", "LocationChanged"];
        self.describe(&format!("location/{code}"), types, &data);
    }

    fn describe(&mut self, stream: &str, [first, later]: [&str; 2], data: &Value) {
        let stream: Stream = stream.parse().expect("a stream");
        let event_type = if self.versions.contains_key(&stream) { later } else { first };
        self.record(stream, event_type, data);
    }

    pub(crate) fn retire_item(&mut self, sku: &str) {
        self.record_item(sku, "ItemRetired", &json!({ "sku": sku }));
    }

    pub(crate) fn reinstate_item(&mut self, sku: &str, reorder_point: i64) {
        let after = item(sku, reorder_point);
        self.record_item(sku, "ItemReinstated", &json!({ "after": after }));
    }

    /// An event that only a newer version of Stockbook knows.
    pub(crate) fn record_unknown(&mut self, sku: &str) {
        self.record_item(sku, "ItemSealed", &json!({}));
    }

    fn record_item(&mut self, sku: &str, event_type: &str, data: &Value) {
        self.record(Stream::Item(sku.parse().expect("a sku")), event_type, data);
    }

    pub(crate) fn receive(&mut self, sku: &str, location: &str, quantity: i64) {
        let members = json!({ "quantity": quantity });
        self.change_stock("StockReceived", sku, location, on_hand(quantity), members);
    }

    pub(crate) fn issue(&mut self, sku: &str, location: &str, quantity: i64) {
        let members = json!({ "quantity": quantity });
        self.change_stock("StockIssued", sku, location, on_hand(-quantity), members);
    }

    pub(crate) fn adjust(&mut self, sku: &str, location: &str, delta: i64) {
        let shortage = self.available(sku, location) + delta < 0;
        let members = json!({ "delta": delta, "shortage": shortage, "reason": "count" });
        self.change_stock("StockAdjusted", sku, location, on_hand(delta), members);
    }

    pub(crate) fn set(&mut self, sku: &str, location: &str, delta: i64) {
        let members = json!({ "delta": delta, "reason": "count" });
        self.change_stock("StockSet", sku, location, on_hand(delta), members);
    }

    pub(crate) fn move_stock(&mut self, sku: &str, from: &str, to: &str, quantity: i64) {
        let members = json!({ "to": to, "quantity": quantity });
        self.change_stock("StockMovedOut", sku, from, on_hand(-quantity), members);
        let members = json!({ "from": from, "quantity": quantity });
        self.change_stock("StockMovedIn", sku, to, on_hand(quantity), members);
    }

    /// Reverses the first event, as if that had changed this stock by the opposite.
    pub(crate) fn reverse(&mut self, sku: &str, location: &str, delta: i64) {
        let members = json!({
            "reverses": "0-1",
            "reversal": Uuid::from_u128(1).to_string(),
            "delta": delta,
            "reason": "booked_twice",
        });
        self.change_stock("StockReversed", sku, location, on_hand(delta), members);
    }

    /// Makes a reservation of these lines (sku, location, requested, held) and returns its number.
    pub(crate) fn reserve(&mut self, lines: &[(&str, &str, i64, i64)]) -> usize {
        let number = self.reservations.len();
        let line = |(line, &(sku, location, requested, quantity)): (u32, &(&str, &str, _, _))| {
            ReservationLine {
                line,
                sku: sku.parse().expect("a sku"),
                location: location.parse().expect("a location"),
                requested,
                quantity,
                waiting: 0,
                released: 0,
                fulfilled: 0,
                returned: 0,
            }
        };
        let reservation = Reservation {
            id: ReservationId::new(slot_of(lines[0].0), Uuid::from_u128(number as u128)),
            owner: "customer-7".parse().expect("an owner"),
            status: ReservationStatus::Held,
            expires_at: at(1_000),
            wait_until: None,
            priority: None,
            reference: Some(document("cart", "c-1")),
            lines: (1..).zip(lines).map(line).collect(),
        };
        self.record_step(&reservation, "ReservationHeld", &[]);
        for line in reservation.lines.iter().filter(|line| line.quantity > 0) {
            let delta = Figures { reserved: line.quantity, ..Figures::default() };
            self.change_line(&reservation, line, "StockReserved", line.quantity, delta);
        }
        self.reservations.push(reservation);
        number
    }

    pub(crate) fn reservations(&self) -> usize {
        self.reservations.len()
    }

    /// Whether the rules allow a step of a reservation.
    pub(crate) fn allows(&self, number: usize, step: Step) -> bool {
        use ReservationStatus::{Confirmed, Fulfilled, Held};
        let status = self.reservations[number].status;
        match step {
            Step::Extend | Step::Confirm | Step::Release | Step::Expire => status == Held,
            Step::Cancel | Step::Fulfil => status == Confirmed,
            Step::Return => matches!(status, Confirmed | Fulfilled),
        }
    }

    /// The parts of a step that takes the whole reservation.
    pub(crate) fn whole(&self, number: usize, step: Step) -> Vec<Part> {
        let lines = self.reservations[number].lines.iter();
        let part = |line: &ReservationLine| Part {
            line: line.line,
            quantity: if step == Step::Return { line.returnable() } else { line.open() },
        };
        lines.map(part).filter(|part| part.quantity > 0).collect()
    }

    /// Takes a step with parts of a reservation, whether the rules allow it or not.
    pub(crate) fn step(&mut self, number: usize, step: Step, parts: &[Part]) {
        let mut after = self.reservations[number].clone();
        for part in parts {
            let line = &mut after.lines[part.line as usize - 1];
            match step {
                Step::Extend | Step::Confirm => {}
                Step::Release | Step::Expire | Step::Cancel => line.released += part.quantity,
                Step::Fulfil => line.fulfilled += part.quantity,
                Step::Return => line.returned += part.quantity,
            }
        }
        after.status = status_after(&after, step);
        match step {
            Step::Extend => after.expires_at = at(2_000),
            Step::Confirm => after.reference = Some(document("order", "o-1")),
            _ => {}
        }
        self.record_step(&after, step.effect(0).0, parts);
        for part in parts {
            let line = &after.lines[part.line as usize - 1];
            let (_, event_type, delta) = step.effect(part.quantity);
            self.change_line(&after, line, event_type, part.quantity, delta);
        }
        self.reservations[number] = after;
    }

    /// Takes a step with the whole reservation.
    pub(crate) fn step_whole(&mut self, number: usize, step: Step) {
        let whole = self.whole(number, step);
        self.step(number, step, &whole);
    }

    /// A step of a reservation that others asked for was not possible.
    pub(crate) fn refuse_step(&mut self, number: usize) {
        let after = &self.reservations[number];
        let data = json!({ "step": "confirm", "code": "reservation_state", "after": after });
        self.record(Stream::Reservation(after.id.clone()), "ReservationStepRefused", &data);
    }

    /// A person is forgotten.
    pub(crate) fn forget_subject(&mut self, subject: &str) {
        let stream = Stream::Subject(subject.parse().expect("a subject"));
        let data = json!({ "subject": subject, "key": "0000000000000007" });
        self.record(stream, "SubjectForgotten", &data);
    }

    /// The reference of an event is removed, and its lane says so.
    pub(crate) fn redact(&mut self, number: usize) {
        let event = &self.events[number];
        let hash_before = Hash(data_hash(event.data.get()));
        let members = BTreeSet::from([RedactedMember::Reference]);
        let mut left: Value = serde_json::from_str(event.data.get()).expect("JSON");
        left.as_object_mut().expect("an object").remove("reference");
        let left = RawValue::from_string(left.to_string()).expect("JSON");
        let hash_after = Hash(data_hash(left.get()));
        let (id, lane) = (event.id(), event.lane);
        let redacted =
            Redacted { members: members.clone(), data_hash: hash_before, personal_hash: None };
        self.events[number].data = left;
        self.events[number].redacted = Some(Box::new(redacted));
        let one = RedactedEvent { id, members, hash_before, hash_after };
        let reason = "request".parse().expect("a code");
        let data = json!(EventsRedacted { lane, reason, events: vec![one] });
        self.record(Stream::Redaction(lane.0), "EventsRedacted", &data);
    }

    fn record_step(&mut self, after: &Reservation, event_type: &str, parts: &[Part]) {
        let data = json!({ "parts": parts, "after": after, "reference": after.reference });
        self.record(Stream::Reservation(after.id.clone()), event_type, &data);
    }

    fn change_line(
        &mut self,
        reservation: &Reservation,
        line: &ReservationLine,
        event_type: &str,
        quantity: i64,
        delta: Figures,
    ) {
        let mut members = json!({
            "reservation": reservation.id,
            "line": line.line,
            "quantity": quantity,
        });
        if !matches!(event_type, "StockFulfilled" | "StockDeallocated" | "StockReturned") {
            members["expires_at"] = json!(reservation.expires_at);
            members["reference"] = json!(reservation.reference);
        }
        if event_type == "StockHoldExtended" {
            members["expired_at"] = json!(at(1_000));
        }
        self.change_stock(event_type, line.sku.as_str(), line.location.as_str(), delta, members);
    }

    fn change_stock(
        &mut self,
        event_type: &str,
        sku: &str,
        location: &str,
        delta: Figures,
        mut data: Value,
    ) {
        let stream = stock_stream(sku, location);
        let figures = self.figures.entry(stream.clone()).or_default();
        figures.on_hand += delta.on_hand;
        figures.reserved += delta.reserved;
        figures.allocated += delta.allocated;
        figures.incoming += delta.incoming;
        figures.waiting += delta.waiting;
        data["sku"] = json!(sku);
        data["location"] = json!(location);
        data["after"] = json!(figures);
        self.record(stream, event_type, &data);
    }

    fn record(&mut self, stream: Stream, event_type: &str, data: &Value) {
        let known = Event::TYPES.iter().find(|(name, _)| *name == event_type);
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
            schema_version: known.map_or(1, |(_, version)| *version),
            occurred_at: self.occurred_at.unwrap_or(recorded_at),
            recorded_at,
            actor: None,
            caller: None,
            personal: None,
            redacted: None,
            correlation_id: "c-1".parse().expect("a label"),
            causation_id: None,
            data: RawValue::from_string(data.to_string()).expect("JSON"),
            chain: Chain::default(),
            traceparent: None,
        };
        recorded.chain = recorded.chain_after(chain);
        self.heads.insert(lane, (recorded.position, recorded.chain));
        self.events.push(recorded);
    }
}

fn status_after(after: &Reservation, step: Step) -> ReservationStatus {
    let is_open = after.lines.iter().any(|line| line.open() > 0);
    let is_fulfilled = after.lines.iter().any(|line| line.fulfilled > 0);
    match step {
        Step::Confirm => ReservationStatus::Confirmed,
        Step::Expire => ReservationStatus::Expired,
        Step::Extend | Step::Return => after.status,
        Step::Release | Step::Cancel | Step::Fulfil if is_open => after.status,
        Step::Release => ReservationStatus::Released,
        Step::Cancel if !is_fulfilled => ReservationStatus::Cancelled,
        Step::Cancel | Step::Fulfil => ReservationStatus::Fulfilled,
    }
}

fn stock_stream(sku: &str, location: &str) -> Stream {
    Stream::Stock(sku.parse().expect("a sku"), location.parse().expect("a location"))
}

fn on_hand(on_hand: i64) -> Figures {
    Figures { on_hand, ..Figures::default() }
}

fn document(kind: &str, id: &str) -> Reference {
    let label = |text: &str| text.parse().expect("a label");
    Reference { kind: label(kind), id: label(id), line: None }
}

/// So many seconds after 1970 began.
fn item(sku: &str, reorder_point: i64) -> Value {
    json!({
        "sku": sku,
        "name": format!("item {sku}"),
        "scale": 0,
        "unit": "each",
        "reorder_point": reorder_point,
    })
}

pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::new(DateTime::from_timestamp(seconds, 0).expect("a few seconds after 1970"))
}

/// What a view makes of events.
pub(crate) fn folded<V: View>(events: &[RecordedEvent]) -> V::Changes {
    let mut changes = V::Changes::default();
    for recorded in events {
        let event = recorded.event().expect("a known event");
        changes.fold(recorded, &event).expect("a consistent event");
    }
    changes
}

/// What a view makes of a log with one lane.
pub(crate) fn given<V: View>(record: impl FnOnce(&mut Log)) -> V::Changes {
    let mut log = Log::with_lanes(1);
    record(&mut log);
    folded::<V>(&log.events)
}
