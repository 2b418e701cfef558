//! What items and locations are.

use super::super::address::Address;
use super::super::cause::{cause, metadata};
use super::super::reader::Members;
use super::super::value::{amount, name, scale, text};
use crate::inventory::{Command, RegisterItem, RegisterLocation, RetireItem};

pub(super) fn register_item(address: Address<'_>, body: &mut Members<'_>) -> Option<Command> {
    let sku = address.subject("sku", body);
    let expected_version = address.expected_version(body);
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

pub(super) fn register_location(address: Address<'_>, body: &mut Members<'_>) -> Option<Command> {
    let code = address.subject("code", body);
    let expected_version = address.expected_version(body);
    let name = body.optional("name", name);
    let kind = body.optional("kind", text);
    Some(Command::RegisterLocation(RegisterLocation { code: code?, name, kind, expected_version }))
}

pub(super) fn retire_item(address: Address<'_>, body: &mut Members<'_>) -> Option<Command> {
    let sku = address.subject("sku", body);
    let expected_version = address.expected_version(body);
    let cause = cause(body);
    Some(Command::RetireItem(RetireItem { sku: sku?, expected_version, cause }))
}
