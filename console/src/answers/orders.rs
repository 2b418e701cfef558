//! Orders, reservations and transfers.

use serde::Deserialize;
use serde_json::Value;

use super::Reference;
use crate::shown::{Moment, Status, Units, words};

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

/// A line that there was not enough for.
#[derive(Debug, Deserialize)]
pub(crate) struct Shortage {
    pub(crate) sku: String,
    pub(crate) location: String,
    pub(crate) requested: Units,
    pub(crate) available: Units,
}

impl OrderStep {
    /// The lines for which it was refused.
    pub(crate) fn short(&self) -> Vec<Shortage> {
        let lines = self.detail.as_ref().and_then(|detail| detail.get("lines")?.as_array());
        let shortage = |line: &Value| Shortage::deserialize(line).ok();
        lines.into_iter().flatten().filter_map(shortage).collect()
    }

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

impl Order {
    /// Whether its deadline can still end it.
    pub(crate) fn is_open(&self) -> bool {
        ["placed", "waiting", "awaiting_payment"].iter().any(|status| self.status.is(status))
    }

    pub(crate) fn needs_operator(&self) -> bool {
        self.steps.iter().any(|step| step.status.is("needs_operator"))
    }
}
