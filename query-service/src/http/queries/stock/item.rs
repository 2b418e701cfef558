//! One item everywhere.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use shared_events::lane::Lane;
use shared_events::values::Sku;
use sqlx::Row;
use sqlx::postgres::PgRow;

use super::{ItemStock, LocationStock, Points};
use crate::database;
use crate::http::Service;
use crate::http::answer::{Figure, LEVEL, TOTAL, Tag, place};
use crate::http::moment::{Moment, MomentParameters, Past};
use crate::http::problem::Problem;
use crate::http::queries::{lane, sku, stored};
use crate::http::request::Request;
use crate::http::wait::{Found, Freshness, FreshnessParameters, Reflecting, fresh};

/// An item's stock with its tag, or why there is none.
pub type FoundItem = Found<(ItemStock, Tag)>;

/// One sku: totals, and every location that has a history of it.
#[utoipa::path(
    get,
    path = "/v1/stock/{sku}",
    params(
        ("sku" = String, Path),
        MomentParameters, FreshnessParameters,
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
    mut request: Request,
) -> Result<Response, Problem> {
    let moment = Moment::take(&mut request.parameters, &service)?;
    let terms = request.finish()?;
    let sku = sku(&sku_text)?;
    let lane = service.lane_map()?.lane_of_item(&sku);
    let (Reflecting { position, found }, past) = match moment {
        None => {
            let read = || read_together(&service, sku.clone());
            (fresh(&service, &terms.wanted, read).await?, Past::default())
        }
        Some(moment) => {
            let past = moment.resolve(&service).await?;
            past.must_name(lane)?;
            (read_then(&service, &terms.wanted, &sku, &past).await?, past)
        }
    };
    let (mut stock, tag) = found?;
    stock.known_position = past.known_position(&[lane]);
    let position = past.of_lanes(&[lane]).unwrap_or(position);
    Ok(terms.answer(&position, &tag, &stock))
}

/// The stock now, in a statement with whoever else asks for items.
async fn read_together(service: &Service, sku: Sku) -> Result<FoundItem, Problem> {
    let shared = Arc::clone(service);
    let read = move |skus| read_many(Arc::clone(&shared), skus);
    service.route_state::<Points>().items.ask(sku, read).await
}

async fn read_many(service: Service, skus: Vec<Sku>) -> Result<BTreeMap<Sku, FoundItem>, Problem> {
    let lane_map = service.lane_map()?;
    let lane = |sku| database::lane_column(lane_map.lane_of_item(sku));
    let rows = sqlx::query(include_str!("../../../../queries/get_item_stocks.sql"))
        .bind(service.projection.version())
        .bind(skus.iter().map(Sku::as_str).collect::<Vec<_>>())
        .bind(skus.iter().map(lane).collect::<Vec<i16>>())
        .fetch_all(&service.pool)
        .await?;
    let mut found = BTreeMap::new();
    for rows in rows.chunk_by(|one, next| place_of(one) == place_of(next)) {
        let index = place_of(&rows[0]).ok_or(sqlx::Error::RowNotFound)?;
        let sku = skus.get(index).ok_or(sqlx::Error::RowNotFound)?;
        found.insert(sku.clone(), item_now(sku, rows)?);
    }
    Ok(found)
}

/// Which of the skus that were asked for a row is about.
fn place_of(row: &PgRow) -> Option<usize> {
    let place: i64 = row.try_get("place").ok()?;
    usize::try_from(place - 1).ok()
}

fn item_now(sku: &Sku, rows: &[PgRow]) -> sqlx::Result<FoundItem> {
    let (first, lane) = (&rows[0], lane(&rows[0])?);
    let found = match first.try_get::<Option<i64>, _>("item_version")? {
        None => Err(Problem::UnknownSku(sku.to_string())),
        Some(item_version) => {
            let totals = Figure::of(first, lane, &TOTAL)?;
            let tag = Tag::of_versions(&[totals.version, item_version]);
            let (name, locations) = (first.try_get("name")?, locations(rows, lane)?);
            let sku = sku.clone();
            Ok((ItemStock { sku, name, totals, locations, known_position: None }, tag))
        }
    };
    Ok(Reflecting { position: place(lane, first.try_get("applied")?), found })
}

/// The stock then, once that is applied.
///
/// # Errors
/// It is not applied in time, or the database is away.
pub(crate) async fn read_then(
    service: &Service,
    wanted: &Freshness,
    sku: &Sku,
    past: &Past,
) -> Result<FoundItem, Problem> {
    let lane = service.lane_map()?.lane_of_item(sku);
    let wanted = past.needs(wanted, &[lane]);
    let read = || async {
        let rows = sqlx::query(include_str!("../../../../queries/get_item_stock_then.sql"))
            .bind(service.projection.version())
            .bind(database::lane_column(lane))
            .bind(sku.as_str())
            .bind(past.upto(lane))
            .bind(past.as_of.map(|moment| moment.to_utc()))
            .fetch_all(&service.pool)
            .await?;
        item_then(sku, &rows)
    };
    fresh(service, &wanted, read).await
}

fn item_then(sku: &Sku, rows: &[PgRow]) -> Result<FoundItem, Problem> {
    let first = rows.first().ok_or(sqlx::Error::RowNotFound)?;
    let lane = lane(first)?;
    let found = match first.try_get::<Option<String>, _>("name")? {
        None => Err(Problem::UnknownSku(sku.to_string())),
        Some(name) => {
            let locations = locations(rows, lane)?;
            let figures = locations.iter().map(|one| &one.figure);
            let totals = Figure::sum(figures, lane)
                .ok_or_else(|| Problem::internal(&format!("the totals of {sku} overflow")))?;
            let tag = Tag::of_versions(&[totals.version, first.try_get("name_position")?]);
            let sku = sku.clone();
            Ok((ItemStock { sku, name, totals, locations, known_position: None }, tag))
        }
    };
    Ok(Reflecting { position: place(lane, first.try_get("applied")?), found })
}

fn locations(rows: &[PgRow], lane: Lane) -> sqlx::Result<Vec<LocationStock>> {
    let mut locations = Vec::with_capacity(rows.len());
    for row in rows {
        if let Some(location) = row.try_get::<Option<String>, _>("location")? {
            let (location, figure) = (stored(location)?, Figure::of(row, lane, &LEVEL)?);
            locations.push(LocationStock { location, figure });
        }
    }
    Ok(locations)
}
