//! What the services answer, as far as pages show it.

use chrono::TimeDelta;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::reader;
use crate::shown::{Lasting, Moment, Signed, Status, Units, words};

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

#[derive(Debug, Deserialize)]
pub(crate) struct LaneHead {
    pub(crate) lane: u16,
    pub(crate) position: i64,
    pub(crate) recorded_at: Option<Moment>,
}

/// How far a version of a projection is with a lane.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct LaneProgress {
    pub(crate) projection: String,
    pub(crate) version: i64,
    pub(crate) active: bool,
    pub(crate) lane: u16,
    pub(crate) position: i64,
    pub(crate) lag: Option<i64>,
    pub(crate) state: Status,
    pub(crate) event: Option<String>,
    pub(crate) error: Option<String>,
    pub(crate) stopped_at: Option<Moment>,
    pub(crate) applied_at: Moment,
}

impl LaneProgress {
    pub(crate) fn is_stopped(&self) -> bool {
        self.state.is("stopped")
    }
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

/// Whether the figures are what the log comes to.
#[derive(Debug, Deserialize)]
pub(crate) struct Integrity {
    pub(crate) ok: bool,
    pub(crate) checked: Units,
    pub(crate) position: String,
    pub(crate) first_difference: Option<Difference>,
    pub(crate) skipped: Vec<Skipped>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Difference {
    pub(crate) what: String,
    pub(crate) sku: Option<String>,
    pub(crate) stream: Option<String>,
    pub(crate) event: Option<String>,
    pub(crate) member: Option<String>,
    pub(crate) expected: String,
    pub(crate) found: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Skipped {
    pub(crate) projection: String,
    pub(crate) event: String,
    pub(crate) reason: String,
    pub(crate) skipped_at: Moment,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Transfer {
    pub(crate) id: String,
    pub(crate) status: Status,
    pub(crate) overdue: bool,
    pub(crate) expected_at: Option<Moment>,
    pub(crate) reference: Option<Reference>,
    pub(crate) lines: Vec<TransferLine>,
    pub(crate) updated_at: Moment,
}

#[derive(Debug, Deserialize)]
pub(crate) struct TransferLine {
    pub(crate) line: i64,
    pub(crate) sku: String,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) quantity: Units,
    pub(crate) received: Units,
    pub(crate) lost: Units,
    pub(crate) returned: Units,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Order {
    pub(crate) id: String,
    pub(crate) owner: String,
    pub(crate) status: Status,
    pub(crate) reservation: Option<String>,
    pub(crate) deadline: Moment,
    pub(crate) reference: Option<Reference>,
    pub(crate) lines: Vec<OrderedLine>,
    pub(crate) steps: Vec<OrderStep>,
    pub(crate) updated_at: Moment,
}

#[derive(Debug, Deserialize)]
pub(crate) struct OrderedLine {
    pub(crate) line: i64,
    pub(crate) sku: String,
    pub(crate) location: String,
    pub(crate) requested: Units,
    pub(crate) quantity: Units,
}

#[derive(Debug, Deserialize)]
pub(crate) struct OrderStep {
    pub(crate) name: String,
    pub(crate) status: Status,
    pub(crate) at: Moment,
    #[serde(default)]
    pub(crate) event: Option<String>,
    #[serde(default)]
    pub(crate) detail: Option<Value>,
}

impl OrderStep {
    /// What the step says, in one line.
    pub(crate) fn says(&self) -> Option<String> {
        let detail = self.detail.as_ref()?;
        let text = ["detail", "reason", "title"].iter().find_map(|name| detail.get(name)?.as_str());
        let member = |(name, value): (&String, &Value)| {
            format!(
                "{}: {}",
                words(name),
                value.as_str().map_or_else(|| value.to_string(), str::to_owned)
            )
        };
        let members = || detail.as_object().map(|all| all.iter().map(member).collect::<Vec<_>>());
        Some(text.map_or_else(|| members().unwrap_or_default().join(", "), str::to_owned))
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct Reservation {
    pub(crate) id: String,
    pub(crate) owner: String,
    pub(crate) status: Status,
    pub(crate) expires_at: Option<Moment>,
    pub(crate) wait_until: Option<Moment>,
    pub(crate) priority: Option<i64>,
    pub(crate) reference: Option<Reference>,
    pub(crate) lines: Vec<ReservationLine>,
    pub(crate) updated_at: Moment,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ReservationLine {
    pub(crate) line: i64,
    pub(crate) sku: String,
    pub(crate) location: String,
    pub(crate) requested: Units,
    pub(crate) quantity: Units,
    pub(crate) released: Units,
    pub(crate) fulfilled: Units,
    pub(crate) returned: Units,
    #[serde(default)]
    pub(crate) waiting: Units,
    pub(crate) place: Option<i64>,
}

impl LaneProgress {
    /// The version of the view that it belongs to.
    pub(crate) fn view(&self) -> String {
        format!("{} v{}", self.projection, self.version)
    }
}

impl Order {
    pub(crate) fn needs_operator(&self) -> bool {
        self.steps.iter().any(|step| step.status.is("needs_operator"))
    }
}

/// The stock and the views as a whole.
#[derive(Debug, Deserialize)]
pub(crate) struct Overview {
    pub(crate) skus: Units,
    pub(crate) on_hand: Units,
    pub(crate) available: Units,
    pub(crate) sold_out: Units,
    pub(crate) low: Units,
    pub(crate) waiting_lines: Units,
    pub(crate) in_transit: Units,
    pub(crate) overdue: Units,
    pub(crate) events_per_second: Option<f64>,
    pub(crate) lag: Option<Units>,
    pub(crate) integrity: Option<Round>,
    pub(crate) stopped_lanes: Vec<IgnoredAny>,
    pub(crate) position: String,
}

impl Overview {
    pub(crate) fn pace(&self) -> Option<String> {
        self.events_per_second.map(|pace| format!("{pace:.1}"))
    }
}

/// A round of the continuous integrity check.
#[derive(Debug, Deserialize)]
pub(crate) struct Round {
    pub(crate) differences: Units,
    pub(crate) ended_at: Moment,
}

/// A lane on its way to Kafka.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct RelayedLane {
    pub(crate) lane: u16,
    pub(crate) mark: i64,
    pub(crate) lag: i64,
    pub(crate) lag_ms: Lasting,
    pub(crate) owner: Option<String>,
    pub(crate) state: Status,
    pub(crate) error: Option<String>,
}

impl RelayedLane {
    pub(crate) fn is_stopped(&self) -> bool {
        self.state.is("stopped")
    }
}
