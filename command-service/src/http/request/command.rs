//! JSON bodies as commands.

use std::str::FromStr;

use serde_json::Value;
use shared_events::lane::Version;
use shared_events::values::{LocationCode, Sku, ValueError};

use super::cause::{cause, metadata};
use super::reader::{Fault, Faults, MISSING, Members, Place};
use super::value::{amount, amount_or_null, boolean, delta, name, quantity, scale, text, version};
use crate::inventory::{
    AdjustLine, AdjustStock, Command, IssueStock, MoveLine, MoveStock, ReceiveStock, RegisterItem,
    RegisterLocation, Request, RetireItem, SetStock, StockLine,
};

/// Lines that one command may have.
pub(super) const LINES_MAX: usize = 5_000;

/// What a route asks for, with what its path names.
#[derive(Debug, Clone)]
pub(in crate::http) enum Form {
    /// `PUT /v1/items/{sku}`
    Item {
        /// As it stands in the path.
        sku: String,
    },
    /// `PUT /v1/locations/{code}`
    Location {
        /// As it stands in the path.
        code: String,
    },
    /// `POST /v1/receipts`
    Receipt,
    /// `POST /v1/issues`
    Issue,
    /// `POST /v1/adjustments`
    Adjustment,
    /// `PUT /v1/stock/{sku}/{location}`
    Count {
        /// As it stands in the path.
        sku: String,
        /// As it stands in the path.
        location: String,
    },
    /// `POST /v1/moves`
    Move,
    /// `POST /v1/items/{sku}/retire`
    Retirement {
        /// As it stands in the path.
        sku: String,
    },
}

impl Form {
    /// Whether the command is about one stream, which If-Match can speak of.
    pub(super) fn is_of_one_stream(&self) -> bool {
        match self {
            Self::Item { .. }
            | Self::Location { .. }
            | Self::Count { .. }
            | Self::Retirement { .. } => true,
            Self::Receipt | Self::Issue | Self::Adjustment | Self::Move => false,
        }
    }

    /// Whether a request without a body says all there is to say.
    pub(super) fn needs_no_body(&self) -> bool {
        matches!(self, Self::Retirement { .. })
    }

    /// Whether nothing is wrong but that an adjustment does not say why.
    pub(super) fn lacks_only_reason(&self, faults: &[Fault]) -> bool {
        let reason = Fault { pointer: "/reason".to_owned(), message: MISSING.to_owned() };
        matches!(self, Self::Adjustment) && faults == [reason]
    }

    /// Reads the body; nothing after noting what is wrong with it, all of it.
    pub(super) fn read(
        &self,
        body: Value,
        expected_version: Option<Version>,
        faults: &mut Faults,
    ) -> Option<Request> {
        match self {
            Self::Item { sku } => {
                let sku = subject("sku", sku, faults);
                request(body, faults, |body| register_item(body, sku, expected_version))
            }
            Self::Location { code } => {
                let code = subject("code", code, faults);
                request(body, faults, |body| register_location(body, code, expected_version))
            }
            Self::Receipt => request(body, faults, receive_stock),
            Self::Issue => request(body, faults, issue_stock),
            Self::Adjustment => request(body, faults, adjust_stock),
            Self::Count { sku, location } => {
                let sku = subject("sku", sku, faults);
                let location = subject("location", location, faults);
                request(body, faults, |body| set_stock(body, sku, location, expected_version))
            }
            Self::Move => request(body, faults, move_stock),
            Self::Retirement { sku } => {
                let sku = subject("sku", sku, faults);
                request(body, faults, |body| retire_item(body, sku, expected_version))
            }
        }
    }
}

/// What the path names.
fn subject<T>(name: &str, text: &str, faults: &mut Faults) -> Option<T>
where
    T: FromStr<Err = ValueError>,
{
    match text.parse() {
        Ok(subject) => Some(subject),
        Err(error) => {
            faults.note(Place::Member(&Place::Root, name), error.to_string());
            None
        }
    }
}

// In every reader below, all members are read before the first `?`, so that every fault is found.

fn request(
    body: Value,
    faults: &mut Faults,
    command: impl FnOnce(&mut Members<'_>) -> Option<Command>,
) -> Option<Request> {
    Members::read(Place::Root, body, faults, |body| {
        let occurred_at = body.optional("occurred_at", text);
        Some(Request { command: command(body)?, occurred_at })
    })
}

fn register_item(
    body: &mut Members<'_>,
    sku: Option<Sku>,
    expected_version: Option<Version>,
) -> Option<Command> {
    let name = body.optional("name", name);
    let scale = body.optional("scale", scale);
    let unit = body.optional("unit", text);
    let reorder_point = body.optional("reorder_point", amount);
    let metadata = metadata(body);
    Some(Command::RegisterItem(RegisterItem {
        sku: sku?,
        name,
        scale,
        unit,
        reorder_point,
        metadata,
        expected_version,
    }))
}

fn register_location(
    body: &mut Members<'_>,
    code: Option<LocationCode>,
    expected_version: Option<Version>,
) -> Option<Command> {
    let name = body.optional("name", name);
    let kind = body.optional("kind", text);
    Some(Command::RegisterLocation(RegisterLocation { code: code?, name, kind, expected_version }))
}

fn receive_stock(body: &mut Members<'_>) -> Option<Command> {
    let lines = body.list("lines", LINES_MAX, stock_line);
    let reason = body.optional("reason", text);
    let cause = cause(body, reason);
    Some(Command::ReceiveStock(ReceiveStock { lines: lines?, cause }))
}

fn issue_stock(body: &mut Members<'_>) -> Option<Command> {
    let lines = body.list("lines", LINES_MAX, stock_line);
    let purpose = body.optional("purpose", text);
    let reason = body.optional("reason", text);
    let cause = cause(body, reason);
    Some(Command::IssueStock(IssueStock { lines: lines?, purpose, cause }))
}

fn adjust_stock(body: &mut Members<'_>) -> Option<Command> {
    let lines = body.list("lines", LINES_MAX, adjust_line);
    let accept_shortage = body.optional("accept_shortage", boolean).unwrap_or(false);
    let reason = body.required("reason", text);
    let cause = cause(body, reason);
    Some(Command::AdjustStock(AdjustStock { lines: lines?, accept_shortage, cause }))
}

fn set_stock(
    body: &mut Members<'_>,
    sku: Option<Sku>,
    location: Option<LocationCode>,
    expected_version: Option<Version>,
) -> Option<Command> {
    let quantity = body.required("quantity", amount);
    let expected_quantity = body.required("expected_quantity", amount_or_null);
    let accept_shortage = body.optional("accept_shortage", boolean).unwrap_or(false);
    let reason = body.optional("reason", text);
    let cause = cause(body, reason);
    Some(Command::SetStock(SetStock {
        sku: sku?,
        location: location?,
        quantity: quantity?,
        expected_quantity: expected_quantity?,
        expected_version,
        accept_shortage,
        cause,
    }))
}

fn move_stock(body: &mut Members<'_>) -> Option<Command> {
    let lines = body.list("lines", LINES_MAX, move_line);
    let reason = body.optional("reason", text);
    let cause = cause(body, reason);
    Some(Command::MoveStock(MoveStock { lines: lines?, cause }))
}

fn move_line(line: &mut Members<'_>) -> Option<MoveLine> {
    let sku = line.required("sku", text);
    let from: Option<LocationCode> = line.required("from", text);
    let to = line.required("to", |value| match text::<LocationCode>(value)? {
        to if Some(&to) == from.as_ref() => Err("must be another location than `from`".to_owned()),
        to => Ok(to),
    });
    let quantity = line.required("quantity", quantity);
    let expected_version = line.optional("expected_version", version);
    Some(MoveLine { sku: sku?, from: from?, to: to?, quantity: quantity?, expected_version })
}

fn retire_item(
    body: &mut Members<'_>,
    sku: Option<Sku>,
    expected_version: Option<Version>,
) -> Option<Command> {
    let reason = body.optional("reason", text);
    let cause = cause(body, reason);
    Some(Command::RetireItem(RetireItem { sku: sku?, expected_version, cause }))
}

fn stock_line(line: &mut Members<'_>) -> Option<StockLine> {
    let sku = line.required("sku", text);
    let location = line.required("location", text);
    let quantity = line.required("quantity", quantity);
    let expected_version = line.optional("expected_version", version);
    Some(StockLine { sku: sku?, location: location?, quantity: quantity?, expected_version })
}

fn adjust_line(line: &mut Members<'_>) -> Option<AdjustLine> {
    let sku = line.required("sku", text);
    let location = line.required("location", text);
    let delta = line.required("delta", delta);
    let expected_quantity = line.optional("expected_quantity", amount);
    let expected_version = line.optional("expected_version", version);
    Some(AdjustLine {
        sku: sku?,
        location: location?,
        delta: delta?,
        expected_quantity,
        expected_version,
    })
}
