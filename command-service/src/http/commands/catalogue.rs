//! Items and locations.

use shared_events::time::Timestamp;
use shared_events::values::{Code, Label, LocationCode, Sku};

use super::{Command, CommandPath};
use crate::http::json::numbers::{Amount, Scale};
use crate::http::json::object;
use crate::http::json::values::{Metadata, cause};
use crate::inventory::{self, Precondition, Request};

object! {
    /// An item's path.
    pub(crate) struct ItemPath {
        /// 1 to 64 of A–Z a–z 0–9 . _ ~ : + -
        sku: Sku,
    }
}

impl CommandPath for ItemPath {}

object! {
    /// A location's path.
    pub(crate) struct LocationPath {
        /// 1 to 64 of A–Z a–z 0–9 . _ ~ : + -
        code: LocationCode,
    }
}

impl CommandPath for LocationPath {}

object! {
    /// Absent members keep their value, or get their default on a new item.
    pub(crate) struct RegisterItem as "Item" {
        /// For people; default: the sku.
        #[serde(default)]
        name: Option<Label>,
        /// Decimal places of the base unit; default 0. Fixed once there is stock history.
        #[serde(default)]
        scale: Option<Scale>,
        /// What one unit is; default `each`.
        #[serde(default)]
        unit: Option<Code>,
        /// Low stock begins at this available quantity; default 0, never.
        #[serde(default)]
        reorder_point: Option<Amount>,
        /// Your own names and values, at most 20.
        #[serde(default)]
        metadata: Option<Metadata>,
        /// When it happened; default the recorded time.
        #[serde(default)]
        occurred_at: Option<Timestamp>,
    }
    with personal
}

impl Command for RegisterItem {
    type Path = ItemPath;

    fn into_request(self, path: ItemPath, precondition: Option<Precondition>) -> Request {
        let command = inventory::RegisterItem {
            sku: path.sku,
            name: self.name.map(String::from),
            scale: self.scale.map(|scale| scale.0),
            unit: self.unit,
            reorder_point: self.reorder_point.map(|amount| amount.0),
            metadata: self.metadata.map(|metadata| metadata.0),
            precondition,
        };
        let command = inventory::Command::RegisterItem(command);
        Request { command, occurred_at: self.occurred_at }
    }
}

object! {
    /// Why an item is retired.
    pub(crate) struct RetireItem as "Retirement" {}
    with cause
}

impl Command for RetireItem {
    type Path = ItemPath;

    fn into_request(self, path: ItemPath, precondition: Option<Precondition>) -> Request {
        let cause = cause(self.reason, self.reference, self.note, self.metadata);
        let command = inventory::RetireItem { sku: path.sku, precondition, cause };
        let command = inventory::Command::RetireItem(command);
        Request { command, occurred_at: self.occurred_at }
    }
}

object! {
    /// Why an item is traded again.
    pub(crate) struct ReinstateItem as "Reinstatement" {}
    with cause
}

impl Command for ReinstateItem {
    type Path = ItemPath;

    fn into_request(self, path: ItemPath, precondition: Option<Precondition>) -> Request {
        let cause = cause(self.reason, self.reference, self.note, self.metadata);
        let command = inventory::ReinstateItem { sku: path.sku, precondition, cause };
        let command = inventory::Command::ReinstateItem(command);
        Request { command, occurred_at: self.occurred_at }
    }
}

object! {
    /// Absent members keep their value, or get their default on a new location.
    pub(crate) struct RegisterLocation as "Location" {
        /// For people; default: the code.
        #[serde(default)]
        name: Option<Label>,
        /// What sort of place it is.
        #[serde(default)]
        kind: Option<Code>,
        /// When it happened; default the recorded time.
        #[serde(default)]
        occurred_at: Option<Timestamp>,
    }
    with personal
}

impl Command for RegisterLocation {
    type Path = LocationPath;

    fn into_request(self, path: LocationPath, precondition: Option<Precondition>) -> Request {
        let LocationPath { code } = path;
        let Self { name, kind, occurred_at, .. } = self;
        let name = name.map(String::from);
        let command = inventory::RegisterLocation { code, name, kind, precondition };
        Request { command: inventory::Command::RegisterLocation(command), occurred_at }
    }
}
