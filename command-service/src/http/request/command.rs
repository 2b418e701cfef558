//! JSON bodies as commands.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde_json::Value;
use shared_events::event::{Cause, Context, Reference};
use shared_events::lane::Version;
use shared_events::values::{Code, LocationCode, Sku, ValueError};

use super::reader::{Fault, Faults, MISSING, Members, Place};
use super::value::{
    amount, boolean, delta, metadata_value, name, note, quantity, scale, text, version,
};
use crate::inventory::{
    AdjustLine, AdjustStock, Command, IssueStock, ReceiveStock, RegisterItem, RegisterLocation,
    Request, StockLine,
};

/// Lines that one command may have.
pub(super) const LINES_MAX: usize = 5_000;

/// Free members are kept in every event of a command, so they are bounded well below the body.
const METADATA_LEN_MAX: usize = 20;
const METADATA_NAME_CHARS_MAX: usize = 64;

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
}

impl Form {
    /// Whether the command is about one stream, which If-Match can speak of.
    pub(super) fn is_of_one_stream(&self) -> bool {
        match self {
            Self::Item { .. } | Self::Location { .. } => true,
            Self::Receipt | Self::Issue | Self::Adjustment => false,
        }
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

fn cause(body: &mut Members<'_>, reason: Option<Code>) -> Cause {
    let reference = body.object("reference", |reference| {
        let kind = reference.required("type", text);
        let id = reference.required("id", text);
        let line = reference.optional("line", text);
        Some(Reference { kind: kind?, id: id?, line })
    });
    let note = body.optional("note", note);
    let metadata = metadata(body).unwrap_or_default();
    let is_empty = note.is_none() && metadata.is_empty();
    Cause { reason, reference, context: (!is_empty).then_some(Context { note, metadata }) }
}

fn metadata(body: &mut Members<'_>) -> Option<BTreeMap<String, String>> {
    body.object("metadata", |metadata| {
        if metadata.len() > METADATA_LEN_MAX {
            metadata.note_self(format!("must have at most {METADATA_LEN_MAX} members"));
        }
        let entries = metadata.rest(|name, value| {
            if is_metadata_name(name) {
                metadata_value(value)
            } else {
                Err(format!("must be named by 1 to {METADATA_NAME_CHARS_MAX} printable characters"))
            }
        });
        Some(entries?.into_iter().collect())
    })
}

fn is_metadata_name(name: &str) -> bool {
    (1..=METADATA_NAME_CHARS_MAX).contains(&name.chars().count())
        && !name.chars().any(char::is_control)
}
