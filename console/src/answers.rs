//! What the services answer, as far as pages show it.

mod orders;
mod pipeline;

use chrono::TimeDelta;
use serde::Deserialize;
use serde_json::Value;

pub(crate) use self::orders::{Order, Reservation, Transfer};
pub(crate) use self::pipeline::{Integrity, LaneHead, LaneProgress, Overview, RelayedLane};
use crate::reader;
use crate::shown::{Moment, Signed, Units, link};

/// One page of a list.
#[derive(Debug, Deserialize)]
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    pub(crate) next_cursor: Option<String>,
    pub(crate) position: String,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Item {
    pub(crate) sku: String,
    pub(crate) name: String,
    pub(crate) unit: String,
    pub(crate) scale: u8,
    pub(crate) reorder_point: Units,
    pub(crate) retired: bool,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Location {
    pub(crate) code: String,
    pub(crate) name: String,
}

/// The quantities of a figure.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Amounts {
    pub(crate) on_hand: Units,
    pub(crate) reserved: Units,
    pub(crate) allocated: Units,
    pub(crate) available: Units,
    pub(crate) incoming: Units,
    pub(crate) waiting: Units,
}

/// Figures of an item at a location, or of an item at all of them.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Level {
    #[serde(default)]
    pub(crate) sku: String,
    #[serde(default)]
    pub(crate) location: String,
    #[serde(flatten)]
    pub(crate) amounts: Amounts,
    #[serde(default)]
    pub(crate) version: i64,
    #[serde(default)]
    pub(crate) updated_at: Option<Moment>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ItemStock {
    #[serde(flatten)]
    pub(crate) total: Level,
    pub(crate) locations: Vec<Level>,
    pub(crate) known_position: Option<String>,
    pub(crate) position: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Availability {
    pub(crate) items: Vec<Available>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Available {
    pub(crate) on_hand: Units,
    pub(crate) reserved: Units,
    pub(crate) allocated: Units,
    pub(crate) available: Units,
    pub(crate) incoming: Units,
    pub(crate) waiting: Units,
    pub(crate) updated_at: Option<Moment>,
}

impl Available {
    pub(crate) fn amounts(&self) -> Amounts {
        let Self { on_hand, reserved, allocated, available, incoming, waiting, .. } = *self;
        Amounts { on_hand, reserved, allocated, available, incoming, waiting }
    }
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Reference {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) id: String,
}

impl Reference {
    /// The page of the document, or of everything that names it.
    pub(crate) fn page(&self) -> String {
        let Self { kind, id } = self;
        match kind.as_str() {
            "order" | "transfer" | "reservation" | "event" => link("/find", &[("q", id)]),
            _ => link("/movements", &[("reference", &format!("{kind}/{id}"))]),
        }
    }
}

/// What one event did to one stock.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Movement {
    pub(crate) event: String,
    pub(crate) position: String,
    pub(crate) sku: String,
    pub(crate) location: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) reason: Option<String>,
    pub(crate) reference: Option<Reference>,
    pub(crate) actor: Option<String>,
    pub(crate) correlation_id: String,
    pub(crate) occurred_at: Moment,
    pub(crate) recorded_at: Moment,
    pub(crate) delta: Amounts,
    pub(crate) after: Amounts,
}

/// An event of the log.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) lane: u16,
    pub(crate) position: i64,
    pub(crate) stream: String,
    pub(crate) version: i64,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) schema_version: i64,
    pub(crate) occurred_at: Moment,
    pub(crate) recorded_at: Moment,
    pub(crate) actor: Option<String>,
    pub(crate) correlation_id: String,
    pub(crate) causation_id: Option<String>,
    pub(crate) data: Value,
    pub(crate) chain: String,
}

/// A stream folded up to a version.
#[derive(Debug, Deserialize)]
pub(crate) struct StreamState {
    pub(crate) version: i64,
    pub(crate) state: Value,
}

/// The change of an item between two positions, and the events that made it.
#[derive(Debug, Deserialize)]
pub(crate) struct StockDifference {
    pub(crate) movements: Vec<Movement>,
    pub(crate) next_cursor: Option<String>,
}

/// Why a figure is what it is.
#[derive(Debug, Deserialize)]
pub(crate) struct Explanation {
    pub(crate) summary: Option<Summary>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Summary {
    pub(crate) reserved_by: Listed<Promise>,
    pub(crate) allocated_by: Listed<Promise>,
    pub(crate) incoming_by: Listed<Arrival>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Listed<T> {
    pub(crate) items: Vec<T>,
}

/// Units that a reservation holds or was promised.
#[derive(Debug, Deserialize)]
pub(crate) struct Promise {
    pub(crate) reservation: String,
    pub(crate) quantity: Units,
    #[serde(default)]
    pub(crate) expires_at: Option<Moment>,
}

/// Units on their way by a transfer.
#[derive(Debug, Deserialize)]
pub(crate) struct Arrival {
    pub(crate) transfer: String,
    pub(crate) quantity: Units,
}

/// A line of a reservation that waits in a queue.
#[derive(Debug, Deserialize)]
pub(crate) struct WaitingLine {
    pub(crate) place: i64,
    pub(crate) owner: String,
    pub(crate) reservation: String,
    pub(crate) sku: String,
    pub(crate) location: String,
    pub(crate) priority: i64,
    pub(crate) waiting: Units,
    pub(crate) since: Moment,
    pub(crate) wait_until: Moment,
}

impl Movement {
    /// The quantities that changed, with their names.
    pub(crate) fn changes(&self) -> Vec<(&'static str, Signed)> {
        let t = reader::texts();
        let Amounts { on_hand, reserved, allocated, available: _, incoming, waiting } = self.delta;
        let named = [
            (t.on_hand, on_hand),
            (t.reserved, reserved),
            (t.allocated, allocated),
            (t.incoming, incoming),
            (t.waiting, waiting),
        ];
        let changed = named.into_iter().filter(|(_, units)| units.0 != 0);
        changed.map(|(name, units)| (name, Signed(units.0))).collect()
    }

    /// Whether it happened clearly before it was recorded.
    pub(crate) fn is_backdated(&self) -> bool {
        self.recorded_at.0 - self.occurred_at.0 > TimeDelta::seconds(1)
    }
}

/// A list that is answered whole.
#[derive(Debug, Deserialize)]
pub(crate) struct List<T> {
    pub(crate) items: Vec<T>,
}

/// An item that is low somewhere, or was.
#[derive(Debug, Deserialize)]
pub(crate) struct Alert {
    pub(crate) sku: String,
    pub(crate) location: String,
    pub(crate) state: String,
    pub(crate) available: Units,
    pub(crate) reorder_point: Units,
    pub(crate) since: Moment,
}
