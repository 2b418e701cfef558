//! Items and locations, as last described.

use std::collections::BTreeMap;

use axum::extract::{Path, State};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use shared_events::lane::PositionToken;
use shared_events::time::Timestamp;
use shared_events::values::{LocationCode, Sku};
use sqlx::FromRow;
use utoipa::ToSchema;

use crate::http::Service;
use crate::http::page::{ListRow, Page, PageParameters, PageQuery, PageResponses};
use crate::http::problem::Problem;
use crate::http::request::{ReadParameters, ReadRequest, ReadResponses};
use crate::http::rows::{LanePosition, Text, Time, read_one};
use crate::http::subject::sku;
use crate::http::wait::Lookup;

/// An item, as last described.
#[derive(Debug, Serialize, ToSchema, FromRow)]
pub struct Item {
    /// The item's key.
    #[schema(value_type = String)]
    #[sqlx(try_from = "Text")]
    pub sku: Sku,
    /// The name that people read.
    pub name: String,
    /// Decimal places of the base unit.
    pub scale: i16,
    /// What one unit is.
    pub unit: String,
    /// Low stock begins at this available quantity; 0 means never.
    pub reorder_point: i64,
    /// The caller's own names and values.
    #[sqlx(json)]
    pub metadata: BTreeMap<String, String>,
    /// Whether the item is no longer traded.
    pub retired: bool,
    /// How many events described the item.
    pub version: i64,
    /// The position of the last of them.
    #[schema(value_type = String, example = "3:1042")]
    #[sqlx(flatten, try_from = "LanePosition")]
    pub position: PositionToken,
    /// When that was recorded.
    #[schema(value_type = String, format = DateTime)]
    #[sqlx(try_from = "Time")]
    pub updated_at: Timestamp,
}

#[derive(Debug, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ItemKey {
    sku: Sku,
}

impl ListRow for Item {
    const LIST: &'static str = "item";
    const ORDER: &'static str = "sku";
    type Key = ItemKey;

    fn key(&self) -> ItemKey {
        ItemKey { sku: self.sku.clone() }
    }

    fn version(&self) -> i64 {
        self.version
    }
}

/// A location, as last described.
#[derive(Debug, Serialize, ToSchema, FromRow)]
pub struct Location {
    /// The location's key.
    #[schema(value_type = String)]
    #[sqlx(try_from = "Text")]
    pub code: LocationCode,
    /// The name that people read.
    pub name: String,
    /// What sort of place it is.
    pub kind: Option<String>,
    /// The caller's own names and values.
    #[sqlx(json)]
    pub metadata: BTreeMap<String, String>,
    /// How often the location was described.
    pub version: i64,
    /// The position of the last description.
    #[schema(value_type = String, example = "3:1042")]
    #[sqlx(flatten, try_from = "LanePosition")]
    pub position: PositionToken,
    /// When that was recorded.
    #[schema(value_type = String, format = DateTime)]
    #[sqlx(try_from = "Time")]
    pub updated_at: Timestamp,
}

#[derive(Debug, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocationKey {
    code: LocationCode,
}

impl ListRow for Location {
    const LIST: &'static str = "location";
    const ORDER: &'static str = "code";
    type Key = LocationKey;

    fn key(&self) -> LocationKey {
        LocationKey { code: self.code.clone() }
    }

    fn version(&self) -> i64 {
        self.version
    }
}

/// One item.
#[utoipa::path(
    get, path = "/v1/items/{sku}",
    params(("sku" = String, Path), ReadParameters),
    responses(
        (status = 200, body = Item),
        (status = 404, description = "unknown_sku"),
        ReadResponses,
    )
)]
pub async fn get_item(
    State(service): State<Service>,
    Path(sku_text): Path<String>,
    ReadRequest { options, .. }: ReadRequest<()>,
) -> Result<Response, Problem> {
    let sku = sku(&sku_text)?;
    options.one(&service, || read_item(&service, &sku), |item| item.version).await
}

async fn read_item(service: &Service, sku: &Sku) -> Result<Lookup<Item>, Problem> {
    let lane = service.lane_map()?.lane_of_item(sku);
    let statement = include_str!("../get_item.sql");
    read_one(service, statement, lane, sku.as_str(), Problem::unknown_sku).await
}

/// Items by sku.
#[utoipa::path(
    get, path = "/v1/items",
    params(PageParameters, ReadParameters),
    responses((status = 200, body = Page<Item>), PageResponses),
)]
pub async fn list_items(
    State(service): State<Service>,
    ReadRequest { parameters: page, options }: ReadRequest<PageParameters>,
) -> Result<Response, Problem> {
    let after = page.after::<Item>()?;
    let statement = || {
        let mut query = PageQuery::new(
            "with page as not materialized (\
                 select lane, position, sku, name, scale, unit, reorder_point, \
                     metadata, retired, version, updated_at \
                 from items where true",
        );
        query.filter(" and sku > ", after.as_ref().map(|key| key.sku.as_str()));
        query.order_by(Item::ORDER, page.limit() + 1);
        query
    };
    options.page::<Item>(&service, page.limit(), statement).await
}

/// Locations by code.
#[utoipa::path(
    get, path = "/v1/locations",
    params(PageParameters, ReadParameters),
    responses((status = 200, body = Page<Location>), PageResponses),
)]
pub async fn list_locations(
    State(service): State<Service>,
    ReadRequest { parameters: page, options }: ReadRequest<PageParameters>,
) -> Result<Response, Problem> {
    let after = page.after::<Location>()?;
    let statement = || {
        let mut query = PageQuery::new(
            "with page as not materialized (\
                 select lane, position, code, name, kind, metadata, version, updated_at \
                 from locations where true",
        );
        query.at("code", options.locations());
        query.filter(" and code > ", after.as_ref().map(|key| key.code.as_str()));
        query.order_by(Location::ORDER, page.limit() + 1);
        query
    };
    options.page::<Location>(&service, page.limit(), statement).await
}
