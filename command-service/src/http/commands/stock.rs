//! Stock that comes in, goes out, moves and is corrected.

use shared_events::lane::Version;
use shared_events::time::Timestamp;
use shared_events::values::{Code, LocationCode, Sku};

use super::{Command, CommandPath, NoPath};
use crate::http::json::numbers::{Amount, AmountOrNull, Delta, Quantity};
use crate::http::json::values::{List, cause};
use crate::http::json::{Faults, JsonPointer, object};
use crate::inventory::{self, Precondition, Request};

object! {
    /// An amount of an item at a location.
    pub(crate) struct StockLine {
        sku: Sku,
        location: LocationCode,
        /// In base units.
        quantity: Quantity,
        /// Refuse unless the stock's stream is at this version; 0 is no history.
        #[serde(default)]
        expected_version: Option<Version>,
    }
}

impl From<StockLine> for inventory::StockLine {
    fn from(line: StockLine) -> Self {
        let StockLine { sku, location, quantity, expected_version } = line;
        Self { sku, location, quantity: quantity.0, expected_version }
    }
}

object! {
    /// Goods that come in.
    pub(crate) struct ReceiveStock as "Receipt" {
        lines: List<StockLine>,
    }
    with cause
}

impl Command for ReceiveStock {
    type Path = NoPath;

    fn into_request(self, _: NoPath, _: Option<Precondition>) -> Request {
        let cause = cause(self.reason, self.reference, self.note, self.metadata);
        let lines = self.lines.convert();
        let command = inventory::Command::ReceiveStock(inventory::ReceiveStock { lines, cause });
        Request { command, occurred_at: self.occurred_at }
    }
}

object! {
    /// Goods that go out.
    pub(crate) struct IssueStock as "Issue" {
        lines: List<StockLine>,
        /// What for, such as `sale`.
        #[serde(default)]
        purpose: Option<Code>,
    }
    with cause
}

impl Command for IssueStock {
    type Path = NoPath;

    fn into_request(self, _: NoPath, _: Option<Precondition>) -> Request {
        let cause = cause(self.reason, self.reference, self.note, self.metadata);
        let lines = self.lines.convert();
        let command = inventory::IssueStock { lines, purpose: self.purpose, cause };
        let command = inventory::Command::IssueStock(command);
        Request { command, occurred_at: self.occurred_at }
    }
}

object! {
    /// A difference for an item at a location.
    pub(crate) struct AdjustLine {
        sku: Sku,
        location: LocationCode,
        /// In base units, not 0.
        delta: Delta,
        /// Refuse unless on_hand is this.
        #[serde(default)]
        expected_quantity: Option<Amount>,
        /// Refuse unless the stock's stream is at this version; 0 is no history.
        #[serde(default)]
        expected_version: Option<Version>,
    }
}

impl From<AdjustLine> for inventory::AdjustLine {
    fn from(line: AdjustLine) -> Self {
        let AdjustLine { sku, location, delta, expected_quantity, expected_version } = line;
        let expected_quantity = expected_quantity.map(|amount| amount.0);
        Self { sku, location, delta: delta.0, expected_quantity, expected_version }
    }
}

object! {
    /// Differences that correct the recorded quantities.
    pub(crate) struct AdjustStock as "Adjustment" {
        lines: List<AdjustLine>,
        /// A code of your own, such as `count`.
        reason: Code,
        /// Accept that less is left than was promised.
        #[serde(default)]
        accept_shortage: bool,
        /// When it happened; default the recorded time.
        #[serde(default)]
        occurred_at: Option<Timestamp>,
    }
    with context
}

impl Command for AdjustStock {
    type Path = NoPath;

    fn into_request(self, _: NoPath, _: Option<Precondition>) -> Request {
        let cause = cause(Some(self.reason), self.reference, self.note, self.metadata);
        let lines = self.lines.convert();
        let command =
            inventory::AdjustStock { lines, accept_shortage: self.accept_shortage, cause };
        let command = inventory::Command::AdjustStock(command);
        Request { command, occurred_at: self.occurred_at }
    }
}

object! {
    /// The path of an item's stock at a location.
    pub(crate) struct StockPath {
        /// 1 to 64 of A–Z a–z 0–9 . _ ~ : + -
        sku: Sku,
        /// 1 to 64 of A–Z a–z 0–9 . _ ~ : + -
        location: LocationCode,
    }
}

impl CommandPath for StockPath {}

object! {
    /// What was found at a count.
    pub(crate) struct SetStock as "Count" {
        /// What on_hand becomes, in base units.
        quantity: Amount,
        /// Refuse unless on_hand is this; null where you expect nothing in particular.
        expected_quantity: AmountOrNull,
        /// Accept that less is left than was promised.
        #[serde(default)]
        accept_shortage: bool,
    }
    with cause
}

impl Command for SetStock {
    type Path = StockPath;

    fn into_request(self, path: StockPath, precondition: Option<Precondition>) -> Request {
        let command = inventory::SetStock {
            sku: path.sku,
            location: path.location,
            quantity: self.quantity.0,
            expected_quantity: self.expected_quantity.0.map(|amount| amount.0),
            precondition,
            accept_shortage: self.accept_shortage,
            cause: cause(self.reason, self.reference, self.note, self.metadata),
        };
        let command = inventory::Command::SetStock(command);
        Request { command, occurred_at: self.occurred_at }
    }
}

object! {
    /// An amount of an item on its way from one location to another.
    pub(crate) struct MoveLine {
        sku: Sku,
        from: LocationCode,
        /// Another location than `from`.
        to: LocationCode,
        /// In base units.
        quantity: Quantity,
        /// Refuse unless the stream of the stock at `from` is at this version.
        #[serde(default)]
        expected_version: Option<Version>,
    }
    check MoveLine::goes_elsewhere
}

impl MoveLine {
    fn goes_elsewhere(&self, at: JsonPointer<'_>, faults: &mut Faults) {
        if self.from == self.to {
            faults.add(at.member("to"), "must be another location than `from`");
        }
    }
}

impl From<MoveLine> for inventory::MoveLine {
    fn from(line: MoveLine) -> Self {
        let MoveLine { sku, from, to, quantity, expected_version } = line;
        Self { sku, from, to, quantity: quantity.0, expected_version }
    }
}

object! {
    /// Goods that move.
    pub(crate) struct MoveStock as "Move" {
        lines: List<MoveLine>,
    }
    with cause
}

impl Command for MoveStock {
    type Path = NoPath;

    fn into_request(self, _: NoPath, _: Option<Precondition>) -> Request {
        let cause = cause(self.reason, self.reference, self.note, self.metadata);
        let lines = self.lines.convert();
        let command = inventory::Command::MoveStock(inventory::MoveStock { lines, cause });
        Request { command, occurred_at: self.occurred_at }
    }
}
