//! An independent oracle: the answers of the views, computed from the JSON of the events.
//!
//! It shares no fold with the services, so that one mistake cannot hide in both.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde_json::{Value, json};
use shared_events::lane::{Lane, Position};
use shared_events::recorded::RecordedEvent;
use shared_events::time::Timestamp;

/// On hand, reserved, allocated, incoming and waiting.
type Figures = [i64; 5];

/// All that is known.
pub const LAST: Position = Position(i64::MAX);

/// In, out, returned, adjusted and transferred.
pub type Flow = [i64; 5];

/// The state of all views after a log.
#[derive(Default)]
pub struct Oracle {
    /// By sku.
    pub items: BTreeMap<String, Item>,
    /// By id.
    pub alerts: BTreeMap<String, Value>,
    /// By sku and location.
    levels: BTreeMap<(String, String), Level>,
}

#[derive(Default)]
struct Level {
    figures: Figures,
    is_short: bool,
}

/// The history of one item and its stock.
pub struct Item {
    pub sku: String,
    pub lane: Lane,
    pub changes: Vec<Change>,
    descriptions: Vec<Description>,
}

/// One event about the item itself.
struct Description {
    position: Position,
    recorded_at: Timestamp,
    occurred_at: Timestamp,
    /// A retirement has none.
    name: Option<String>,
    reorder_point: i64,
}

/// One event about stock.
pub struct Change {
    pub position: Position,
    pub recorded_at: Timestamp,
    pub occurred_at: Timestamp,
    event_type: String,
    location: String,
    delta: Figures,
}

impl Oracle {
    /// Walks over the events of one or more lanes, each in order.
    pub fn over(log: &[RecordedEvent]) -> Self {
        let mut oracle = Self::default();
        for event in log {
            let data: Value = serde_json::from_str(event.data.get()).expect("data is JSON");
            let is_reinstated = event.event_type == "ItemReinstated";
            let data = if is_reinstated { &data["after"] } else { &data };
            let Some(sku) = data["sku"].as_str() else {
                continue;
            };
            oracle.change(event, sku, data);
            oracle.alert(event, sku);
        }
        oracle
    }

    fn change(&mut self, event: &RecordedEvent, sku: &str, data: &Value) {
        let item = self.items.entry(sku.to_owned()).or_insert_with(|| Item {
            sku: sku.to_owned(),
            lane: event.lane,
            changes: Vec::new(),
            descriptions: Vec::new(),
        });
        if !event.event_type.starts_with("Stock") {
            item.descriptions.push(Description {
                position: event.position,
                recorded_at: event.recorded_at,
                occurred_at: event.occurred_at,
                name: data["name"].as_str().map(str::to_owned),
                reorder_point: data["reorder_point"].as_i64().unwrap_or(0),
            });
            return;
        }
        let location = data["location"].as_str().expect("a location").to_owned();
        let level = self.levels.entry((sku.to_owned(), location.clone())).or_default();
        let figure = |name: &str| data["after"][name].as_i64();
        let [on_hand, reserved, allocated] =
            ["on_hand", "reserved", "allocated"].map(|name| figure(name).expect("a figure"));
        // They are left out where nothing is on its way and nobody waits.
        let [incoming, waiting] = ["incoming", "waiting"].map(|name| figure(name).unwrap_or(0));
        let after = [on_hand, reserved, allocated, incoming, waiting];
        let delta = [0, 1, 2, 3, 4].map(|nth| after[nth] - level.figures[nth]);
        level.figures = after;
        item.changes.push(Change {
            position: event.position,
            recorded_at: event.recorded_at,
            occurred_at: event.occurred_at,
            event_type: event.event_type.clone(),
            location,
            delta,
        });
    }

    fn alert(&mut self, event: &RecordedEvent, sku: &str) {
        let point = self.items[sku].reorder_point(LAST, None);
        let levels = self.levels.range_mut((sku.to_owned(), String::new())..);
        for ((_, location), level) in levels.take_while(|((of, _), _)| of == sku) {
            let margin = if level.is_short { (point / 10).max(1) } else { 0 };
            let is_short = point > 0 && available(level.figures) <= point + margin;
            if is_short == level.is_short {
                continue;
            }
            level.is_short = is_short;
            let id = format!("{}-{location}", event.id());
            let alert = json!({
                "id": id, "sku": sku, "location": location,
                "state": if is_short { "raised" } else { "cleared" },
                "available": available(level.figures), "reorder_point": point,
                "position": format!("{}:{}", event.lane, event.position),
            });
            self.alerts.insert(id, alert);
        }
    }

    /// The stock levels that are at their reorder point or below at the end, as `sku/location`.
    pub fn low(&self) -> impl Iterator<Item = String> + '_ {
        let low = self.levels.iter().filter(|((sku, _), level)| {
            let point = self.items[sku].reorder_point(LAST, None);
            point > 0 && available(level.figures) <= point
        });
        low.map(|((sku, location), _)| format!("{sku}/{location}"))
    }

    /// The stock levels that are short at the end, as `sku/location`.
    pub fn short(&self) -> impl Iterator<Item = String> + '_ {
        let short = self.levels.iter().filter(|(_, level)| level.is_short);
        short.map(|((sku, location), _)| format!("{sku}/{location}"))
    }
}

impl Item {
    /// The flow of each day on which there was one.
    pub fn flow(&self) -> BTreeMap<NaiveDate, Flow> {
        let mut days: BTreeMap<NaiveDate, Flow> = BTreeMap::new();
        for change in &self.changes {
            let on_hand = change.delta[0];
            let (column, amount) = match change.event_type.as_str() {
                "StockReceived" => (0, on_hand),
                "StockIssued" | "StockFulfilled" => (1, -on_hand),
                "StockReturned" => (2, on_hand),
                "StockAdjusted" | "StockSet" | "StockReversed" => (3, on_hand),
                "StockDispatched" | "StockArrived" | "StockBroughtBack" => (4, on_hand),
                _ => continue,
            };
            let day = change.occurred_at.to_utc().date_naive();
            days.entry(day).or_default()[column] += amount;
        }
        days
    }

    /// The reorder point by what was known at a position and, with a moment, had happened by then.
    pub fn reorder_point(&self, known: Position, as_of: Option<Timestamp>) -> i64 {
        self.described(known, as_of, |_| true).map_or(0, |one| one.reorder_point)
    }

    /// The last description that was known and had happened; before all of them, the first known one.
    fn described(
        &self,
        known: Position,
        as_of: Option<Timestamp>,
        counts: fn(&Description) -> bool,
    ) -> Option<&Description> {
        let all = || self.descriptions.iter().filter(|one| one.position <= known && counts(one));
        let happened = |one: &&Description| as_of.is_none_or(|moment| one.occurred_at <= moment);
        all().rev().find(happened).or_else(|| all().next())
    }

    /// The answer about the item as of a position, from the changes that had happened by a moment, if one
    /// is given. None if the item was not registered by then.
    pub fn stock(&self, known: Position, as_of: Option<Timestamp>) -> Option<Value> {
        let name = self.described(known, as_of, |one| one.name.is_some())?.name.as_ref();
        let counts = |one: &Change| as_of.is_none_or(|moment| one.occurred_at <= moment);
        let changes = || self.changes.iter().filter(|one| one.position <= known && counts(one));
        let mut locations: BTreeMap<&str, Vec<&Change>> = BTreeMap::new();
        for change in changes() {
            locations.entry(&change.location).or_default().push(change);
        }
        let locations: Vec<Value> = locations
            .into_iter()
            .map(|(location, changes)| {
                let mut answer = self.sum(changes.into_iter());
                answer["location"] = json!(location);
                answer
            })
            .collect();
        let mut answer = self.sum(changes());
        answer["sku"] = json!(self.sku);
        answer["name"] = json!(name);
        answer["locations"] = json!(locations);
        Some(answer)
    }

    fn sum<'a>(&self, changes: impl Iterator<Item = &'a Change>) -> Value {
        let mut figures = Figures::default();
        let (mut version, mut last) = (0, None);
        for change in changes {
            figures = [0, 1, 2, 3, 4].map(|nth| figures[nth] + change.delta[nth]);
            version += 1;
            last = last.max(Some((change.position, change.recorded_at)));
        }
        let [on_hand, reserved, allocated, incoming, waiting] = figures;
        let position = last.map_or(Position(0), |(position, _)| position);
        json!({
            "on_hand": on_hand,
            "reserved": reserved,
            "allocated": allocated,
            "available": available(figures),
            "incoming": incoming,
            "waiting": waiting,
            "version": version,
            "position": format!("{}:{position}", self.lane),
            "updated_at": last.map(|(_, recorded_at)| recorded_at),
        })
    }

    /// The last position about the item that was recorded at a moment or before.
    pub fn known_at(&self, moment: Timestamp) -> Position {
        let changes = self.changes.iter().map(|one| (one.position, one.recorded_at));
        let descriptions = self.descriptions.iter().map(|one| (one.position, one.recorded_at));
        let known = changes.chain(descriptions).filter(|(_, recorded_at)| *recorded_at <= moment);
        known.map(|(position, _)| position).max().unwrap_or_default()
    }
}

fn available([on_hand, reserved, allocated, ..]: Figures) -> i64 {
    on_hand - reserved - allocated
}

/// Fails unless an answer about the flow of an item has these days.
#[track_caller]
pub fn assert_flow(answer: &Value, days: &BTreeMap<NaiveDate, Flow>) {
    let net = |[incoming, outgoing, returned, adjusted, transferred]: Flow| {
        incoming - outgoing + returned + adjusted + transferred
    };
    let date =
        |value: &Value| value.as_str().expect("a date").parse::<NaiveDate>().expect("a date");
    let mut closing: i64 = days.range(..date(&answer["from"])).map(|(_, day)| net(*day)).sum();
    assert_eq!(answer["opening"], closing, "{answer}");
    for day in answer["days"].as_array().expect("days") {
        let expected = days.get(&date(&day["day"])).copied().unwrap_or_default();
        closing += net(expected);
        let found = ["in", "out", "returned", "adjusted", "transferred"];
        let found = found.map(|name| day[name].as_i64());
        assert_eq!((found, &day["closing"]), (expected.map(Some), &json!(closing)), "{answer}");
    }
    assert_eq!(answer["closing"], closing, "{answer}");
}
