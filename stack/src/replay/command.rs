//! One command of a replay: its key, and the request it is sent as. Pure.

use serde_json::{Value, json};
use shared_events::time::Timestamp;
use shared_events::values::Sku;

/// The one location of the trade.
pub const LOCATION: &str = "MAIN";

/// A command to Stockbook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Its Idempotency-Key: the same for the same trade, so that a second go gets the same answer.
    pub key: String,
    /// Its Correlation-Id: what was done for one invoice belongs together.
    pub correlation_id: String,
    /// What is to be done.
    pub action: Action,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// RegisterLocation for `MAIN`.
    RegisterLocation,
    /// RegisterItem.
    RegisterItem {
        /// The item.
        sku: Sku,
        /// Its name, for people.
        name: String,
    },
    /// ReceiveStock, IssueStock or AdjustStock.
    Move(Movement),
}

/// Goods that come or go, all of them or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Movement {
    /// Which command it is, and why.
    pub kind: MovementKind,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// The lines.
    pub changes: Vec<Change>,
}

/// Which command moves the goods, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MovementKind {
    /// ReceiveStock with what is there before the trade begins.
    Opening,
    /// IssueStock for an invoice.
    Sale {
        /// InvoiceNo.
        invoice: String,
    },
    /// AdjustStock for the lines of an invoice that sell nothing: breakage and write-offs.
    Correction {
        /// InvoiceNo.
        invoice: String,
    },
    /// ReceiveStock for goods that come back.
    Return {
        /// InvoiceNo.
        invoice: String,
    },
}

/// What a line does to `on_hand`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The item.
    pub sku: Sku,
    /// The difference, in units, not zero.
    pub delta: i64,
}

/// A command as HTTP.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// PUT or POST.
    pub method: reqwest::Method,
    /// Below the base URL.
    pub path: String,
    /// The body.
    pub body: Value,
}

impl Command {
    /// What a command of this kind changes in stock: nothing for a registration.
    pub fn changes(&self) -> &[Change] {
        match &self.action {
            Action::RegisterLocation | Action::RegisterItem { .. } => &[],
            Action::Move(movement) => &movement.changes,
        }
    }

    /// The request it is sent as.
    pub fn request(&self) -> Request {
        match &self.action {
            Action::RegisterLocation => Request {
                method: reqwest::Method::PUT,
                path: format!("/v1/locations/{LOCATION}"),
                body: json!({ "name": "Main warehouse", "kind": "warehouse" }),
            },
            Action::RegisterItem { sku, name } => Request {
                method: reqwest::Method::PUT,
                path: format!("/v1/items/{sku}"),
                body: json!({ "name": name }),
            },
            Action::Move(movement) => movement.request(),
        }
    }
}

impl Movement {
    fn request(&self) -> Request {
        let quantity = |change: &Change| json!({ "sku": change.sku, "location": LOCATION, "quantity": change.delta.abs() });
        let delta = |change: &Change| json!({ "sku": change.sku, "location": LOCATION, "delta": change.delta });
        let reference = |invoice: &String| json!({ "type": "invoice", "id": invoice });
        let quantities = || self.changes.iter().map(quantity).collect::<Vec<_>>();
        let at = self.occurred_at;
        let (path, body) = match &self.kind {
            MovementKind::Opening => (
                "/v1/receipts",
                json!({ "lines": quantities(), "reason": "opening_balance", "occurred_at": at }),
            ),
            MovementKind::Sale { invoice } => (
                "/v1/issues",
                json!({
                    "lines": quantities(),
                    "purpose": "sale",
                    "reference": reference(invoice),
                    "occurred_at": at,
                }),
            ),
            MovementKind::Correction { invoice } => (
                "/v1/adjustments",
                json!({
                    "lines": self.changes.iter().map(delta).collect::<Vec<_>>(),
                    "reason": "correction",
                    "reference": reference(invoice),
                    "occurred_at": at,
                }),
            ),
            MovementKind::Return { invoice } => (
                "/v1/receipts",
                json!({
                    "lines": quantities(),
                    "reason": "returned",
                    "reference": reference(invoice),
                    "occurred_at": at,
                }),
            ),
        };
        Request { method: reqwest::Method::POST, path: path.to_owned(), body }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(action: Action) -> String {
        let command = Command { key: "k".to_owned(), correlation_id: "c".to_owned(), action };
        let Request { method, path, body } = command.request();
        format!("{method} {path} {body}")
    }

    fn movement(kind: MovementKind, deltas: &[i64]) -> Action {
        let change = |delta: &i64| Change { sku: "85123A".parse().expect("a sku"), delta: *delta };
        Action::Move(Movement {
            kind,
            occurred_at: "2010-12-01T08:26:00Z".parse().expect("a time"),
            changes: deltas.iter().map(change).collect(),
        })
    }

    #[test]
    fn registrations_are_puts_with_what_they_say() {
        assert_eq!(
            sent(Action::RegisterLocation),
            r#"PUT /v1/locations/MAIN {"kind":"warehouse","name":"Main warehouse"}"#
        );
        let (sku, name) = ("A+b:~1".parse().expect("a sku"), "LANTERN".to_owned());
        assert_eq!(
            sent(Action::RegisterItem { sku, name }),
            r#"PUT /v1/items/A+b:~1 {"name":"LANTERN"}"#
        );
    }

    #[test]
    fn movements_are_the_requests_of_the_api() {
        let invoice = || "536365".to_owned();
        for (kind, deltas, request) in [
            (
                MovementKind::Opening,
                &[7][..],
                r#"POST /v1/receipts {"lines":[{"location":"MAIN","quantity":7,"sku":"85123A"}],"occurred_at":"2010-12-01T08:26:00.000000Z","reason":"opening_balance"}"#,
            ),
            (
                MovementKind::Sale { invoice: invoice() },
                &[-6, -1],
                r#"POST /v1/issues {"lines":[{"location":"MAIN","quantity":6,"sku":"85123A"},{"location":"MAIN","quantity":1,"sku":"85123A"}],"occurred_at":"2010-12-01T08:26:00.000000Z","purpose":"sale","reference":{"id":"536365","type":"invoice"}}"#,
            ),
            (
                MovementKind::Correction { invoice: invoice() },
                &[-6],
                r#"POST /v1/adjustments {"lines":[{"delta":-6,"location":"MAIN","sku":"85123A"}],"occurred_at":"2010-12-01T08:26:00.000000Z","reason":"correction","reference":{"id":"536365","type":"invoice"}}"#,
            ),
            (
                MovementKind::Return { invoice: invoice() },
                &[6],
                r#"POST /v1/receipts {"lines":[{"location":"MAIN","quantity":6,"sku":"85123A"}],"occurred_at":"2010-12-01T08:26:00.000000Z","reason":"returned","reference":{"id":"536365","type":"invoice"}}"#,
            ),
        ] {
            assert_eq!(sent(movement(kind, deltas)), request);
        }
    }
}
