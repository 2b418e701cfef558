//! Items and locations.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use shared_events::lane::Version;
use shared_events::time::Timestamp;
use shared_events::values::{Code, Label, LocationCode, Sku};

use super::Command;
use crate::http::AppState;
use crate::http::answer::{Recorded, Registered};
use crate::http::json::values::{Amount, Metadata, Scale, cause};
use crate::http::json::{InPath, InQuery, object};
use crate::http::openapi::CommandProblems;
use crate::http::request::{CommandHeaders, CommandPath, CommandQuery, Precondition};
use crate::inventory;

object! {
    /// An item's path.
    pub(crate) struct ItemPath as "ItemPath" {
        /// 1 to 64 of A–Z a–z 0–9 . _ ~ : + -
        sku: Sku,
    }
}

impl CommandPath for ItemPath {}

object! {
    /// A location's path.
    pub(crate) struct LocationPath as "LocationPath" {
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
}

impl Command for RegisterItem {
    type Path = ItemPath;

    fn into_request(self, path: ItemPath, expected_version: Option<Version>) -> inventory::Request {
        let command = inventory::RegisterItem {
            sku: path.sku,
            name: self.name.map(String::from),
            scale: self.scale.map(|scale| scale.0),
            unit: self.unit,
            reorder_point: self.reorder_point.map(|amount| amount.0),
            metadata: self.metadata.map(|metadata| metadata.0),
            expected_version,
        };
        let command = inventory::Command::RegisterItem(command);
        inventory::Request { command, occurred_at: self.occurred_at }
    }
}

/// RegisterItem, ChangeItem: registers an item, or changes the details of a registered one.
#[utoipa::path(
    put, path = "/v1/items/{sku}", tag = "commands",
    params(InPath::<ItemPath>, InQuery::<CommandQuery>, CommandHeaders, Precondition),
    request_body = RegisterItem,
    responses(Registered, CommandProblems),
)]
pub(crate) async fn register_item(State(app): State<Arc<AppState>>, request: Request) -> Response {
    app.execute::<RegisterItem>(request).await
}

object! {
    /// Why an item is retired.
    pub(crate) struct RetireItem as "Retirement" {}
    with cause
}

impl Command for RetireItem {
    type Path = ItemPath;
    const BODY_IS_OPTIONAL: bool = true;

    fn into_request(self, path: ItemPath, expected_version: Option<Version>) -> inventory::Request {
        let cause = cause(self.reason, self.reference, self.note, self.metadata);
        let command = inventory::RetireItem { sku: path.sku, expected_version, cause };
        let command = inventory::Command::RetireItem(command);
        inventory::Request { command, occurred_at: self.occurred_at }
    }
}

/// RetireItem: the item is no longer traded. Possible only when nothing of it is left anywhere.
#[utoipa::path(
    post, path = "/v1/items/{sku}/retire", tag = "commands",
    params(InPath::<ItemPath>, InQuery::<CommandQuery>, CommandHeaders, Precondition),
    request_body = Option<RetireItem>,
    responses(Recorded, CommandProblems),
)]
pub(crate) async fn retire_item(State(app): State<Arc<AppState>>, request: Request) -> Response {
    app.execute::<RetireItem>(request).await
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
}

impl Command for RegisterLocation {
    type Path = LocationPath;

    fn into_request(
        self,
        path: LocationPath,
        expected_version: Option<Version>,
    ) -> inventory::Request {
        let command = inventory::RegisterLocation {
            code: path.code,
            name: self.name.map(String::from),
            kind: self.kind,
            expected_version,
        };
        let command = inventory::Command::RegisterLocation(command);
        inventory::Request { command, occurred_at: self.occurred_at }
    }
}

/// RegisterLocation, ChangeLocation: registers a location, or changes the details of a registered
/// one.
#[utoipa::path(
    put, path = "/v1/locations/{code}", tag = "commands",
    params(InPath::<LocationPath>, InQuery::<CommandQuery>, CommandHeaders, Precondition),
    request_body = RegisterLocation,
    responses(Registered, CommandProblems),
)]
pub(crate) async fn register_location(
    State(app): State<Arc<AppState>>,
    request: Request,
) -> Response {
    app.execute::<RegisterLocation>(request).await
}
