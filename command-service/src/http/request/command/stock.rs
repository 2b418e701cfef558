//! What comes in, goes out, moves and is put right.

use shared_events::values::LocationCode;

use super::super::address::Address;
use super::super::cause::{cause, cause_with_reason};
use super::super::reader::Members;
use super::super::value::{amount, amount_or_null, boolean, delta, quantity, text, version};
use super::LINES_MAX;
use crate::inventory::{
    AdjustLine, AdjustStock, Command, IssueStock, MoveLine, MoveStock, ReceiveStock, SetStock,
    StockLine,
};

pub(super) fn receive_stock(body: &mut Members<'_>) -> Option<Command> {
    let lines = body.list("lines", LINES_MAX, stock_line);
    let cause = cause(body);
    Some(Command::ReceiveStock(ReceiveStock { lines: lines?, cause }))
}

pub(super) fn issue_stock(body: &mut Members<'_>) -> Option<Command> {
    let lines = body.list("lines", LINES_MAX, stock_line);
    let purpose = body.optional("purpose", text);
    let cause = cause(body);
    Some(Command::IssueStock(IssueStock { lines: lines?, purpose, cause }))
}

pub(super) fn adjust_stock(body: &mut Members<'_>) -> Option<Command> {
    let lines = body.list("lines", LINES_MAX, adjust_line);
    let accept_shortage = accept_shortage(body);
    let cause = cause_with_reason(body);
    Some(Command::AdjustStock(AdjustStock { lines: lines?, accept_shortage, cause }))
}

pub(super) fn set_stock(address: Address<'_>, body: &mut Members<'_>) -> Option<Command> {
    let sku = address.subject("sku", body);
    let location = address.subject("location", body);
    let expected_version = address.expected_version(body);
    let quantity = body.required("quantity", amount);
    let expected_quantity = body.required("expected_quantity", amount_or_null);
    let accept_shortage = accept_shortage(body);
    let cause = cause(body);
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

pub(super) fn move_stock(body: &mut Members<'_>) -> Option<Command> {
    let lines = body.list("lines", LINES_MAX, move_line);
    let cause = cause(body);
    Some(Command::MoveStock(MoveStock { lines: lines?, cause }))
}

fn accept_shortage(body: &mut Members<'_>) -> bool {
    body.optional("accept_shortage", boolean).unwrap_or(false)
}

/// An amount of an item at a location; reservations are made of such lines too.
pub(super) fn stock_line(line: &mut Members<'_>) -> Option<StockLine> {
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
