//! How much there is.

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Serialize;
use shared_events::lane::Position;
use shared_events::stream::Stream;
use shared_events::values::{LocationCode, Sku};
use sqlx::Row;
use sqlx::postgres::PgRow;
use utoipa::ToSchema;

use crate::database;
use crate::http::Service;
use crate::http::answer::{Figure, LEVEL, TOTAL, Tag, answer, place};
use crate::http::page::{self, Cursor, Page};
use crate::http::parameters::Parameters;
use crate::http::problem::Problem;
use crate::http::queries::{lane, lane_of, lane_of_item, location, sku, stored};
use crate::http::wait::{Freshness, Reflecting, fresh};

/// The figures of one sku at one location.
#[derive(Debug, Serialize, ToSchema)]
pub struct StockLevel {
    /// The item.
    #[schema(value_type = String)]
    pub sku: Sku,
    /// Where.
    #[schema(value_type = String)]
    pub location: LocationCode,
    #[serde(flatten)]
    #[expect(missing_docs, reason = "its members are documented")]
    pub figure: Figure,
}

/// The figures of one sku everywhere.
#[derive(Debug, Serialize, ToSchema)]
pub struct ItemStock {
    /// The item.
    #[schema(value_type = String)]
    pub sku: Sku,
    /// Its name.
    pub name: String,
    #[serde(flatten)]
    #[expect(missing_docs, reason = "its members are documented")]
    pub totals: Figure,
    /// Every location that has a history of it.
    pub locations: Vec<LocationStock>,
}

/// The figures at one location.
#[derive(Debug, Serialize, ToSchema)]
pub struct LocationStock {
    /// Where.
    #[schema(value_type = String)]
    pub location: LocationCode,
    #[serde(flatten)]
    #[expect(missing_docs, reason = "its members are documented")]
    pub figure: Figure,
}

/// One sku at one location; a registered pair without history has zeros and version 0.
#[utoipa::path(
    get,
    path = "/v1/stock/{sku}/{location}",
    params(
        ("sku" = String, Path), ("location" = String, Path),
        ("min_position" = Option<String>, Query, description = "wait until this position is applied"),
        ("wait_ms" = Option<i64>, Query, description = "for at most so long, 2,000 by default"),
    ),
    responses(
        (status = 200, body = StockLevel), (status = 304),
        (status = 404, description = "unknown_sku, unknown_location"),
        (status = 422, description = "invalid_parameter, invalid_position"),
        (status = 503, description = "not_yet_applied, projection_unavailable"),
    )
)]
pub async fn get_stock_level(
    State(service): State<Service>,
    Path((sku_text, location_text)): Path<(String, String)>,
    mut parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let wanted = Freshness::take(&mut parameters, &service)?;
    parameters.finish()?;
    let (sku, location) = (sku(&sku_text)?, location(&location_text)?);
    let read = || read_stock_level(&service, &sku, &location);
    let Reflecting { position, found } = fresh(&service, &wanted, read).await?;
    let level = found?;
    let tag = Tag::of_versions(&[level.figure.version]);
    Ok(answer(&headers, &position, &tag, &level))
}

async fn read_stock_level(
    service: &Service,
    sku: &Sku,
    location: &LocationCode,
) -> Result<Reflecting<Result<StockLevel, Problem>>, Problem> {
    let location_lane = lane_of(service, &Stream::Location(location.clone()))?;
    let row = sqlx::query(include_str!("../../../queries/get_stock_level.sql"))
        .bind(service.projection.version())
        .bind(lane_of_item(service, sku)?)
        .bind(sku.as_str())
        .bind(location.as_str())
        .bind(location_lane)
        .fetch_one(&service.pool)
        .await?;
    let lane = lane(&row)?;
    let mut position = place(lane, row.try_get("applied")?);
    let has_history = row.try_get::<Option<i64>, _>("version")?.is_some();
    let found = if !has_history && !row.try_get("item_known")? {
        Err(Problem::UnknownSku(sku.to_string()))
    } else if !has_history && !row.try_get("location_known")? {
        position.reach(database::lane(location_lane), Position(row.try_get("location_applied")?));
        Err(Problem::UnknownLocation(location.to_string()))
    } else {
        let figure = Figure::of(&row, lane, &LEVEL)?;
        Ok(StockLevel { sku: sku.clone(), location: location.clone(), figure })
    };
    Ok(Reflecting { position, found })
}

/// One sku: totals, and every location that has a history of it.
#[utoipa::path(
    get,
    path = "/v1/stock/{sku}",
    params(
        ("sku" = String, Path),
        ("min_position" = Option<String>, Query, description = "wait until this position is applied"),
        ("wait_ms" = Option<i64>, Query, description = "for at most so long, 2,000 by default"),
    ),
    responses(
        (status = 200, body = ItemStock), (status = 304),
        (status = 404, description = "unknown_sku"),
        (status = 422, description = "invalid_parameter, invalid_position"),
        (status = 503, description = "not_yet_applied, projection_unavailable"),
    )
)]
pub async fn get_item_stock(
    State(service): State<Service>,
    Path(sku_text): Path<String>,
    mut parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let wanted = Freshness::take(&mut parameters, &service)?;
    parameters.finish()?;
    let sku = sku(&sku_text)?;
    let read = || read_item_stock(&service, &sku);
    let Reflecting { position, found } = fresh(&service, &wanted, read).await?;
    let (stock, item_version) = found?;
    let tag = Tag::of_versions(&[stock.totals.version, item_version]);
    Ok(answer(&headers, &position, &tag, &stock))
}

async fn read_item_stock(
    service: &Service,
    sku: &Sku,
) -> Result<Reflecting<Result<(ItemStock, i64), Problem>>, Problem> {
    let rows = sqlx::query(include_str!("../../../queries/get_item_stock.sql"))
        .bind(service.projection.version())
        .bind(lane_of_item(service, sku)?)
        .bind(sku.as_str())
        .fetch_all(&service.pool)
        .await?;
    let first = rows.first().ok_or(sqlx::Error::RowNotFound)?;
    let lane = lane(first)?;
    let position = place(lane, first.try_get("applied")?);
    let Some(item_version) = first.try_get("item_version")? else {
        return Ok(Reflecting { position, found: Err(Problem::UnknownSku(sku.to_string())) });
    };
    let mut locations = Vec::with_capacity(rows.len());
    for row in &rows {
        if let Some(location) = row.try_get::<Option<String>, _>("location")? {
            locations.push(LocationStock {
                location: stored(location)?,
                figure: Figure::of(row, lane, &LEVEL)?,
            });
        }
    }
    let stock = ItemStock {
        sku: sku.clone(),
        name: first.try_get("name")?,
        totals: Figure::of(first, lane, &TOTAL)?,
        locations,
    };
    Ok(Reflecting { position, found: Ok((stock, item_version)) })
}

/// Pairs with a history, by sku and location.
#[utoipa::path(
    get,
    path = "/v1/stock",
    params(
        ("location" = Option<String>, Query, description = "only this location"),
        ("sku_prefix" = Option<String>, Query, description = "only skus that begin so"),
        ("available" = Option<i64>, Query, description = "only where exactly so much is available: 0 is sold out"),
        ("available_below" = Option<i64>, Query, description = "only where less is available"),
        ("low" = Option<bool>, Query, description = "only where no more is available than the item's reorder point, if it has one"),
        ("cursor" = Option<String>, Query, description = "the next_cursor of the page before"),
        ("limit" = Option<i64>, Query, description = "1 to 200, 50 by default"),
        ("min_position" = Option<String>, Query, description = "wait until this position is applied"),
        ("wait_ms" = Option<i64>, Query, description = "for at most so long, 2,000 by default"),
    ),
    responses(
        (status = 200, body = Page<StockLevel>), (status = 304),
        (status = 422, description = "invalid_parameter, invalid_cursor, invalid_position"),
        (status = 503, description = "not_yet_applied, projection_unavailable"),
    )
)]
pub async fn list_stock_levels(
    State(service): State<Service>,
    mut parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let wanted = Freshness::take(&mut parameters, &service)?;
    let filter = Filter::take(&mut parameters)?;
    parameters.finish()?;
    let read = || read_stock_levels(&service, &filter);
    let Reflecting { position, found } = fresh(&service, &wanted, read).await?;
    let key = |level: &StockLevel| {
        let (sku, location) = (level.sku.clone(), level.location.clone());
        (sku, location, level.figure.version)
    };
    let tag = found.tag(key);
    Ok(answer(&headers, &position, &tag, &found))
}

/// Which pairs a list holds.
struct Filter {
    location: Option<LocationCode>,
    sku_prefix: Option<Sku>,
    available: Option<i64>,
    available_below: Option<i64>,
    low: bool,
    after: Option<(Sku, LocationCode)>,
    limit: i64,
}

impl Filter {
    fn take(parameters: &mut Parameters) -> Result<Self, Problem> {
        Ok(Self {
            location: parameters.take("location")?,
            // What a sku can begin with is what a sku can be, but for `.` and `..`.
            sku_prefix: parameters.take("sku_prefix")?,
            available: parameters.take_integer("available", i64::MIN..=i64::MAX)?,
            available_below: parameters.take_integer("available_below", i64::MIN..=i64::MAX)?,
            low: parameters.take_switch("low")?,
            after: Cursor::take(parameters, |cursor| match cursor {
                Cursor::StockLevel { sku, location } => Some((sku, location)),
                Cursor::Movement { .. }
                | Cursor::Reservation { .. }
                | Cursor::Item { .. }
                | Cursor::Location { .. } => None,
            })?,
            limit: page::take_limit(parameters)?,
        })
    }
}

async fn read_stock_levels(
    service: &Service,
    filter: &Filter,
) -> Result<Reflecting<Page<StockLevel>>, Problem> {
    let after = filter.after.as_ref();
    let rows = sqlx::query(include_str!("../../../queries/list_stock_levels.sql"))
        .bind(service.projection.version())
        .bind(filter.location.as_ref().map(LocationCode::as_str))
        .bind(filter.sku_prefix.as_ref().map(Sku::as_str))
        .bind(filter.available)
        .bind(filter.available_below)
        .bind(filter.low.then_some(true))
        .bind(after.map(|(sku, _)| sku.as_str()))
        .bind(after.map(|(_, location)| location.as_str()))
        .bind(filter.limit + 1)
        // Planned for these very filters: a plan for any of them could use no index.
        .persistent(false)
        .fetch_all(&service.pool)
        .await?;
    page::of_rows(&rows, filter.limit, level, |level| Cursor::StockLevel {
        sku: level.sku.clone(),
        location: level.location.clone(),
    })
}

fn level(row: &PgRow) -> sqlx::Result<StockLevel> {
    Ok(StockLevel {
        sku: stored(row.try_get("sku")?)?,
        location: stored(row.try_get("location")?)?,
        figure: Figure::of(row, lane(row)?, &LEVEL)?,
    })
}
