//! What the views should say of the past, by folding the log's events one by one.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use shared_events::event::{Event, Figures};
use shared_events::lane::{Lane, Position};
use shared_events::recorded::RecordedEvent;
use shared_events::time::Timestamp;
use shared_events::values::{LocationCode, Sku};

/// All that was recorded of one sku.
pub(crate) struct History {
    pub(crate) sku: Sku,
    pub(crate) lane: Lane,
    names: Vec<(Position, Timestamp, String)>,
    pub(crate) changes: Vec<Change>,
}

/// One event about its stock.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) position: Position,
    pub(crate) recorded_at: Timestamp,
    pub(crate) occurred_at: Timestamp,
    location: LocationCode,
    delta: Figures,
}

/// Figures with the events they are made of.
#[derive(Default)]
struct Sum {
    figures: Figures,
    version: i64,
    last: Option<(Position, Timestamp)>,
}

impl History {
    /// The histories of all skus of a lane.
    pub(crate) fn of_lane(lane: Lane, events: &[RecordedEvent]) -> Vec<Self> {
        let mut all: BTreeMap<Sku, Self> = BTreeMap::new();
        for recorded in events {
            let event = recorded.event().expect("an event of today");
            let position = recorded.position;
            if let Event::ItemRegistered(item) | Event::ItemChanged(item) = &event {
                let of = Self::entry(&mut all, &item.sku, lane);
                of.names.push((position, recorded.recorded_at, item.name.clone()));
            } else if let Some(change) = event.stock_change() {
                Self::entry(&mut all, change.sku, lane).changes.push(Change {
                    position,
                    recorded_at: recorded.recorded_at,
                    occurred_at: recorded.occurred_at,
                    location: change.location.clone(),
                    delta: change.delta,
                });
            }
        }
        all.into_values().collect()
    }

    fn entry<'a>(all: &'a mut BTreeMap<Sku, Self>, sku: &Sku, lane: Lane) -> &'a mut Self {
        let new = || Self { sku: sku.clone(), lane, names: Vec::new(), changes: Vec::new() };
        all.entry(sku.clone()).or_insert_with(new)
    }

    /// The whole answer about the sku: of what was known up to a position, and counts. Nothing if the
    /// sku was not registered by then.
    pub(crate) fn stock(&self, known: Position, counts: impl Fn(&Change) -> bool) -> Option<Value> {
        let (_, _, name) = self.names.iter().rev().find(|(position, ..)| *position <= known)?;
        let mut totals = Sum::default();
        let mut locations: BTreeMap<&LocationCode, Sum> = BTreeMap::new();
        for change in &self.changes {
            if change.position <= known && counts(change) {
                totals.add(change);
                locations.entry(&change.location).or_default().add(change);
            }
        }
        let locations: Vec<Value> = locations
            .iter()
            .map(|(location, sum)| with(json!({"location": location}), sum.to_json(self.lane)))
            .collect();
        let head = json!({"sku": self.sku, "name": name, "locations": locations});
        Some(with(head, totals.to_json(self.lane)))
    }

    /// The last position about the sku that was recorded at a moment or before.
    pub(crate) fn known_at(&self, moment: Timestamp) -> Position {
        let changes = self.changes.iter().map(|one| (one.position, one.recorded_at));
        let names = self.names.iter().map(|(position, recorded_at, _)| (*position, *recorded_at));
        let known = changes.chain(names).filter(|(_, recorded_at)| *recorded_at <= moment);
        known.map(|(position, _)| position).max().unwrap_or_default()
    }
}

impl Sum {
    fn add(&mut self, change: &Change) {
        self.figures.on_hand += change.delta.on_hand;
        self.figures.reserved += change.delta.reserved;
        self.figures.allocated += change.delta.allocated;
        self.version += 1;
        self.last = self.last.max(Some((change.position, change.recorded_at)));
    }

    fn to_json(&self, lane: Lane) -> Value {
        let Figures { on_hand, reserved, allocated } = self.figures;
        let position = self.last.map_or(Position(0), |(position, _)| position);
        json!({
            "on_hand": on_hand,
            "reserved": reserved,
            "allocated": allocated,
            "available": self.figures.available(),
            "version": self.version,
            "position": format!("{lane}:{position}"),
            "updated_at": self.last.map(|(_, recorded_at)| recorded_at),
        })
    }
}

fn with(mut object: Value, members: Value) -> Value {
    let Value::Object(members) = members else { unreachable!("it is made as an object") };
    object.as_object_mut().expect("it is made as an object").extend(members);
    object
}
