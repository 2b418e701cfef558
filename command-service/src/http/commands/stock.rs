//! Stock that comes in, goes out, moves and is corrected.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use shared_events::lane::Version;
use shared_events::time::Timestamp;
use shared_events::values::{Code, LocationCode, Sku};

use super::{Command, NoPath};
use crate::http::AppState;
use crate::http::answer::Recorded;
use crate::http::json::values::{Amount, Delta, Nullable, Quantity, cause};
use crate::http::json::{Faults, InPath, InQuery, JsonPointer, object};
use crate::http::openapi::CommandProblems;
use crate::http::request::{CommandHeaders, CommandPath, CommandQuery, Precondition};
use crate::inventory;

object! {
    /// An amount of an item at a location.
    pub(crate) struct StockLine as "StockLine" {
        sku: Sku,
        location: LocationCode,
        /// In base units.
        quantity: Quantity,
        /// Refuse unless the stock's stream is at this version; 0 is no history.
        #[serde(default)]
        expected_version: Option<Version>,
    }
}

impl StockLine {
    pub(crate) fn sku(&self) -> &Sku {
        &self.sku
    }
}

impl From<StockLine> for inventory::StockLine {
    fn from(line: StockLine) -> Self {
        Self {
            sku: line.sku,
            location: line.location,
            quantity: line.quantity.0,
            expected_version: line.expected_version,
        }
    }
}

object! {
    /// Goods that come in.
    pub(crate) struct ReceiveStock as "Receipt" {
        lines: Vec<StockLine>,
    }
    with cause
}

impl Command for ReceiveStock {
    type Path = NoPath;

    fn into_request(self, _: NoPath, _: Option<Version>) -> inventory::Request {
        let cause = cause(self.reason, self.reference, self.note, self.metadata);
        let lines = self.lines.into_iter().map(Into::into).collect();
        let command = inventory::Command::ReceiveStock(inventory::ReceiveStock { lines, cause });
        inventory::Request { command, occurred_at: self.occurred_at }
    }
}

/// ReceiveStock: goods come in; all lines or none.
#[utoipa::path(
    post, path = "/v1/receipts", tag = "commands",
    params(InQuery::<CommandQuery>, CommandHeaders),
    request_body = ReceiveStock,
    responses(Recorded, CommandProblems),
)]
pub(crate) async fn receive_stock(State(app): State<Arc<AppState>>, request: Request) -> Response {
    app.execute::<ReceiveStock>(request).await
}

object! {
    /// Goods that go out.
    pub(crate) struct IssueStock as "Issue" {
        lines: Vec<StockLine>,
        /// What for, such as `sale`.
        #[serde(default)]
        purpose: Option<Code>,
    }
    with cause
}

impl Command for IssueStock {
    type Path = NoPath;

    fn into_request(self, _: NoPath, _: Option<Version>) -> inventory::Request {
        let cause = cause(self.reason, self.reference, self.note, self.metadata);
        let lines = self.lines.into_iter().map(Into::into).collect();
        let command = inventory::IssueStock { lines, purpose: self.purpose, cause };
        let command = inventory::Command::IssueStock(command);
        inventory::Request { command, occurred_at: self.occurred_at }
    }
}

/// IssueStock: goods go out, only from what is available; all lines or none.
#[utoipa::path(
    post, path = "/v1/issues", tag = "commands",
    params(InQuery::<CommandQuery>, CommandHeaders),
    request_body = IssueStock,
    responses(Recorded, CommandProblems),
)]
pub(crate) async fn issue_stock(State(app): State<Arc<AppState>>, request: Request) -> Response {
    app.execute::<IssueStock>(request).await
}

object! {
    /// A difference for an item at a location.
    pub(crate) struct AdjustLine as "AdjustLine" {
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
        Self {
            sku: line.sku,
            location: line.location,
            delta: line.delta.0,
            expected_quantity: line.expected_quantity.map(|amount| amount.0),
            expected_version: line.expected_version,
        }
    }
}

object! {
    /// Differences that correct the recorded quantities.
    pub(crate) struct AdjustStock as "Adjustment" {
        lines: Vec<AdjustLine>,
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

    fn into_request(self, _: NoPath, _: Option<Version>) -> inventory::Request {
        let cause = cause(Some(self.reason), self.reference, self.note, self.metadata);
        let lines = self.lines.into_iter().map(Into::into).collect();
        let command =
            inventory::AdjustStock { lines, accept_shortage: self.accept_shortage, cause };
        let command = inventory::Command::AdjustStock(command);
        inventory::Request { command, occurred_at: self.occurred_at }
    }
}

/// AdjustStock: corrects the recorded quantities by differences; all lines or none.
#[utoipa::path(
    post, path = "/v1/adjustments", tag = "commands",
    params(InQuery::<CommandQuery>, CommandHeaders),
    request_body = AdjustStock,
    responses(Recorded, CommandProblems),
)]
pub(crate) async fn adjust_stock(State(app): State<Arc<AppState>>, request: Request) -> Response {
    app.execute::<AdjustStock>(request).await
}

object! {
    /// The path of an item's stock at a location.
    pub(crate) struct StockPath as "StockPath" {
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
        expected_quantity: Nullable<Amount>,
        /// Accept that less is left than was promised.
        #[serde(default)]
        accept_shortage: bool,
    }
    with cause
}

impl Command for SetStock {
    type Path = StockPath;

    fn into_request(
        self,
        path: StockPath,
        expected_version: Option<Version>,
    ) -> inventory::Request {
        let command = inventory::SetStock {
            sku: path.sku,
            location: path.location,
            quantity: self.quantity.0,
            expected_quantity: self.expected_quantity.0.map(|amount| amount.0),
            expected_version,
            accept_shortage: self.accept_shortage,
            cause: cause(self.reason, self.reference, self.note, self.metadata),
        };
        let command = inventory::Command::SetStock(command);
        inventory::Request { command, occurred_at: self.occurred_at }
    }
}

/// SetStock: sets on_hand to the quantity that was found. The caller says what it expects to be
/// there, or that it expects nothing in particular.
#[utoipa::path(
    put, path = "/v1/stock/{sku}/{location}", tag = "commands",
    params(InPath::<StockPath>, InQuery::<CommandQuery>, CommandHeaders, Precondition),
    request_body = SetStock,
    responses(Recorded, CommandProblems),
)]
pub(crate) async fn set_stock(State(app): State<Arc<AppState>>, request: Request) -> Response {
    app.execute::<SetStock>(request).await
}

object! {
    /// An amount of an item on its way from one location to another.
    pub(crate) struct MoveLine as "MoveLine" {
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
        Self {
            sku: line.sku,
            from: line.from,
            to: line.to,
            quantity: line.quantity.0,
            expected_version: line.expected_version,
        }
    }
}

object! {
    /// Goods that move.
    pub(crate) struct MoveStock as "Move" {
        lines: Vec<MoveLine>,
    }
    with cause
}

impl Command for MoveStock {
    type Path = NoPath;

    fn into_request(self, _: NoPath, _: Option<Version>) -> inventory::Request {
        let cause = cause(self.reason, self.reference, self.note, self.metadata);
        let lines = self.lines.into_iter().map(Into::into).collect();
        let command = inventory::Command::MoveStock(inventory::MoveStock { lines, cause });
        inventory::Request { command, occurred_at: self.occurred_at }
    }
}

/// MoveStock: goods go from one location to another at once, only from available; all lines or none.
#[utoipa::path(
    post, path = "/v1/moves", tag = "commands",
    params(InQuery::<CommandQuery>, CommandHeaders),
    request_body = MoveStock,
    responses(Recorded, CommandProblems),
)]
pub(crate) async fn move_stock(State(app): State<Arc<AppState>>, request: Request) -> Response {
    app.execute::<MoveStock>(request).await
}
