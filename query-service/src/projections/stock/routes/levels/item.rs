//! One item at all locations.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use service_edge::sign_in::credential::Locations;
use shared_events::lane::Lane;
use shared_events::values::Sku;
use sqlx::Row;
use sqlx::postgres::PgRow;

use super::{ItemStock, LocationStock, Points};
use crate::http::Service;
use crate::http::answer::{Figure, LEVEL, TOTAL, Tag};
use crate::http::past::{Past, PastParameters};
use crate::http::problem::Problem;
use crate::http::request::{ReadParameters, ReadRequest, ReadResponses};
use crate::http::rows::{lane, parsed, token};
use crate::http::subject::sku;
use crate::http::wait::{AsOf, Lookup, MinPosition, read_when_applied};

/// An item's stock with its entity tag, or a 404.
pub type ItemLookup = Lookup<(ItemStock, Tag)>;

/// One sku: its totals, and every location that has a history of it.
#[utoipa::path(
    get, path = "/v1/stock/{sku}",
    params(("sku" = String, Path), PastParameters, ReadParameters),
    responses(
        (status = 200, body = ItemStock),
        (status = 404, description = "unknown_sku"),
        ReadResponses,
    )
)]
pub async fn get_item_stock(
    State(service): State<Service>,
    Path(sku_text): Path<String>,
    ReadRequest { parameters: past, options }: ReadRequest<PastParameters>,
) -> Result<Response, Problem> {
    let sku = sku(&sku_text)?;
    let lane = service.lane_map()?.lane_of_item(&sku);
    let past = past.resolve(&service).await?;
    let AsOf { position, value } = if past.is_present() {
        let read = || read_together(&service, sku.clone());
        read_when_applied(&service, &options.min_position, read).await?
    } else {
        past.must_name(lane)?;
        read_past(&service, &options.min_position, &sku, &past).await?
    };
    let (mut stock, tag) = match options.locations() {
        Locations::All => value?,
        locations => value?.0.only_at(locations, lane),
    };
    stock.known_position = past.known_position(&[lane]);
    let position = past.of_lanes(&[lane]).unwrap_or(position);
    Ok(options.answer(&position, &tag, &stock))
}

impl ItemStock {
    /// What there is at some locations, and their totals.
    pub(crate) fn only_at(mut self, locations: &Locations, lane: Lane) -> (Self, Tag) {
        self.locations.retain(|one| locations.include(one.location.as_str()));
        self.totals = Figure::sum(self.locations.iter().map(|one| &one.figure), lane);
        let shown: Vec<_> = self.locations.iter().map(|one| one.location.as_str()).collect();
        let tag = Tag::weak(&(self.totals.version, &self.name, shown));
        (self, tag)
    }
}

/// The current stock, read by one statement with those that other requests ask for.
async fn read_together(service: &Service, sku: Sku) -> Result<ItemLookup, Problem> {
    let shared = Arc::clone(service);
    let read = move |skus| read_many(Arc::clone(&shared), skus);
    service.route_state::<Points>().items.ask(sku, read).await
}

async fn read_many(service: Service, skus: Vec<Sku>) -> Result<BTreeMap<Sku, ItemLookup>, Problem> {
    let lane_map = service.lane_map()?;
    let lane = |sku| i16::from(lane_map.lane_of_item(sku));
    let rows = sqlx::query(include_str!("../../get_item_stocks.sql"))
        .bind(service.projection.version())
        .bind(skus.iter().map(Sku::as_str).collect::<Vec<_>>())
        .bind(skus.iter().map(lane).collect::<Vec<i16>>())
        .fetch_all(&service.pool)
        .await?;
    let mut stocks = BTreeMap::new();
    for rows in rows.chunk_by(|one, next| index_of(one) == index_of(next)) {
        let index = index_of(&rows[0]).ok_or(sqlx::Error::RowNotFound)?;
        let sku = skus.get(index).ok_or(sqlx::Error::RowNotFound)?;
        stocks.insert(sku.clone(), item_now(sku, rows)?);
    }
    Ok(stocks)
}

/// The index of the sku that a row belongs to.
fn index_of(row: &PgRow) -> Option<usize> {
    let place: i64 = row.try_get("place").ok()?;
    usize::try_from(place - 1).ok()
}

fn item_now(sku: &Sku, rows: &[PgRow]) -> sqlx::Result<ItemLookup> {
    let (first, lane) = (&rows[0], lane(&rows[0])?);
    let value = match first.try_get::<Option<i64>, _>("item_version")? {
        None => Err(Problem::unknown_sku(sku.to_string())),
        Some(item_version) => {
            let totals = Figure::of(first, lane, &TOTAL)?;
            let tag = Tag::of_versions(&[totals.version, item_version]);
            let (name, locations) = (first.try_get("name")?, locations(rows, lane)?);
            let sku = sku.clone();
            Ok((ItemStock { sku, name, totals, locations, known_position: None }, tag))
        }
    };
    Ok(AsOf { position: token(lane, first.try_get("applied")?), value })
}

/// The stock of the past, once that is applied.
pub(crate) async fn read_past(
    service: &Service,
    required: &MinPosition,
    sku: &Sku,
    past: &Past,
) -> Result<ItemLookup, Problem> {
    let lane = service.lane_map()?.lane_of_item(sku);
    let required = past.requires(required, &[lane]);
    let read = || async {
        let rows = sqlx::query(include_str!("../../get_item_stock_then.sql"))
            .bind(service.projection.version())
            .bind(i16::from(lane))
            .bind(sku.as_str())
            .bind(past.upto(lane))
            .bind(past.as_of.map(|time| time.to_utc()))
            .fetch_all(&service.pool)
            .await?;
        item_past(sku, &rows)
    };
    read_when_applied(service, &required, read).await
}

fn item_past(sku: &Sku, rows: &[PgRow]) -> Result<ItemLookup, Problem> {
    let first = rows.first().ok_or(sqlx::Error::RowNotFound)?;
    let lane = lane(first)?;
    let value = match first.try_get::<Option<String>, _>("name")? {
        None => Err(Problem::unknown_sku(sku.to_string())),
        Some(name) => {
            let locations = locations(rows, lane)?;
            let figures = locations.iter().map(|one| &one.figure);
            let totals = Figure::sum(figures, lane);
            let tag = Tag::of_versions(&[totals.version, first.try_get("name_position")?]);
            let sku = sku.clone();
            Ok((ItemStock { sku, name, totals, locations, known_position: None }, tag))
        }
    };
    Ok(AsOf { position: token(lane, first.try_get("applied")?), value })
}

fn locations(rows: &[PgRow], lane: Lane) -> sqlx::Result<Vec<LocationStock>> {
    let mut locations = Vec::with_capacity(rows.len());
    for row in rows {
        if let Some(location) = row.try_get::<Option<&str>, _>("location")? {
            let (location, figure) = (parsed(location)?, Figure::of(row, lane, &LEVEL)?);
            locations.push(LocationStock { location, figure });
        }
    }
    Ok(locations)
}
