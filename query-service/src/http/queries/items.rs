//! What is counted, and where: items and locations as last described.

use std::collections::BTreeMap;

use axum::extract::{Path, State};
use axum::response::Response;
use serde::Serialize;
use shared_events::lane::PositionToken;
use shared_events::time::Timestamp;
use shared_events::values::{LocationCode, Sku};
use sqlx::Row;
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use utoipa::ToSchema;

use crate::database;
use crate::http::Service;
use crate::http::answer::place;
use crate::http::filtered::Filtered;
use crate::http::page::{self, Cursor, Page, PageParameters};
use crate::http::problem::Problem;
use crate::http::queries::{found, lane, sku, stored};
use crate::http::request::Request;
use crate::http::wait::{Found, FreshnessParameters, Reflecting};

/// An item, as last described.
#[derive(Debug, Serialize, ToSchema)]
pub struct Item {
    /// The item's key.
    #[schema(value_type = String)]
    pub sku: Sku,
    /// For people.
    pub name: String,
    /// Decimal places of the base unit.
    pub scale: i16,
    /// What one unit is.
    pub unit: String,
    /// Low stock begins at this available quantity; 0 means never.
    pub reorder_point: i64,
    /// The caller's own names and values.
    pub metadata: BTreeMap<String, String>,
    /// Whether it is not traded any more.
    pub retired: bool,
    /// How many events made it so.
    pub version: i64,
    /// The position of the last of them.
    #[schema(value_type = String, example = "3:1042")]
    pub position: PositionToken,
    /// When that was recorded.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
}

/// A location, as last described.
#[derive(Debug, Serialize, ToSchema)]
pub struct Location {
    /// The location's key.
    #[schema(value_type = String)]
    pub code: LocationCode,
    /// For people.
    pub name: String,
    /// What sort of place it is.
    pub kind: Option<String>,
    /// The caller's own names and values.
    pub metadata: BTreeMap<String, String>,
    /// How often it was described.
    pub version: i64,
    /// The position of the last description.
    #[schema(value_type = String, example = "3:1042")]
    pub position: PositionToken,
    /// When that was recorded.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
}

/// One item.
#[utoipa::path(
    get,
    path = "/v1/items/{sku}",
    params(
        ("sku" = String, Path),
        FreshnessParameters,
    ),
    responses(
        (status = 200, body = Item), (status = 304),
        (status = 404, description = "unknown_sku"),
        (status = 422, description = "invalid_parameter, invalid_position"),
        (status = 503, description = "not_yet_applied, projection_unavailable"),
    )
)]
pub async fn get_item(
    State(service): State<Service>,
    Path(sku_text): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let terms = request.finish()?;
    let sku = sku(&sku_text)?;
    terms.one(&service, || read_item(&service, &sku), |item| item.version).await
}

async fn read_item(service: &Service, sku: &Sku) -> Result<Found<Item>, Problem> {
    let row = sqlx::query(include_str!("../../../queries/get_item.sql"))
        .bind(service.projection.version())
        .bind(database::lane_column(service.lane_map()?.lane_of_item(sku)))
        .bind(sku.as_str())
        .fetch_one(&service.pool)
        .await?;
    Ok(found(&row, item, Problem::UnknownSku(sku.to_string()))?)
}

/// Items by sku.
#[utoipa::path(
    get,
    path = "/v1/items",
    params(
        PageParameters, FreshnessParameters,
    ),
    responses(
        (status = 200, body = Page<Item>), (status = 304),
        (status = 422, description = "invalid_parameter, invalid_cursor, invalid_position"),
        (status = 503, description = "not_yet_applied, projection_unavailable"),
    )
)]
pub async fn list_items(
    State(service): State<Service>,
    mut request: Request,
) -> Result<Response, Problem> {
    let after = Cursor::take(&mut request.parameters, |cursor| match cursor {
        Cursor::Item { sku } => Some(sku),
        _ => None,
    })?;
    let limit = page::take_limit(&mut request.parameters)?;
    let terms = request.finish()?;
    let read = || read_items(&service, after.as_ref(), limit);
    terms.page(&service, read, |item| (item.sku.clone(), item.version)).await
}

async fn read_items(
    service: &Service,
    after: Option<&Sku>,
    limit: i64,
) -> Result<Reflecting<Page<Item>>, Problem> {
    let rows = Filtered::new(include_str!("../../../queries/list_items.sql"))
        .bind(service.projection.version())
        .filter(after.map(Sku::as_str))
        .limit(limit + 1)
        .fetch_all(&service.pool)
        .await?;
    page::of_rows(&rows, limit, item, |item| Cursor::Item { sku: item.sku.clone() })
}

fn item(row: &PgRow) -> sqlx::Result<Item> {
    Ok(Item {
        sku: stored(row.try_get("sku")?)?,
        name: row.try_get("name")?,
        scale: row.try_get("scale")?,
        unit: row.try_get("unit")?,
        reorder_point: row.try_get("reorder_point")?,
        metadata: row.try_get::<Json<_>, _>("metadata")?.0,
        retired: row.try_get("retired")?,
        version: row.try_get("version")?,
        position: place(lane(row)?, row.try_get("position")?),
        updated_at: row.try_get("updated_at").map(Timestamp::new)?,
    })
}

/// Locations by code.
#[utoipa::path(
    get,
    path = "/v1/locations",
    params(
        PageParameters, FreshnessParameters,
    ),
    responses(
        (status = 200, body = Page<Location>), (status = 304),
        (status = 422, description = "invalid_parameter, invalid_cursor, invalid_position"),
        (status = 503, description = "not_yet_applied, projection_unavailable"),
    )
)]
pub async fn list_locations(
    State(service): State<Service>,
    mut request: Request,
) -> Result<Response, Problem> {
    let after = Cursor::take(&mut request.parameters, |cursor| match cursor {
        Cursor::Location { code } => Some(code),
        _ => None,
    })?;
    let limit = page::take_limit(&mut request.parameters)?;
    let terms = request.finish()?;
    let read = || read_locations(&service, after.as_ref(), limit);
    terms.page(&service, read, |location| (location.code.clone(), location.version)).await
}

async fn read_locations(
    service: &Service,
    after: Option<&LocationCode>,
    limit: i64,
) -> Result<Reflecting<Page<Location>>, Problem> {
    let rows = Filtered::new(include_str!("../../../queries/list_locations.sql"))
        .bind(service.projection.version())
        .filter(after.map(LocationCode::as_str))
        .limit(limit + 1)
        .fetch_all(&service.pool)
        .await?;
    page::of_rows(&rows, limit, location, |location| Cursor::Location {
        code: location.code.clone(),
    })
}

fn location(row: &PgRow) -> sqlx::Result<Location> {
    Ok(Location {
        code: stored(row.try_get("code")?)?,
        name: row.try_get("name")?,
        kind: row.try_get("kind")?,
        metadata: row.try_get::<Json<_>, _>("metadata")?.0,
        version: row.try_get("version")?,
        position: place(lane(row)?, row.try_get("position")?),
        updated_at: row.try_get("updated_at").map(Timestamp::new)?,
    })
}
