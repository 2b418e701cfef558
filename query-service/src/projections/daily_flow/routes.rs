//! What came in and went out, day by day.

use axum::extract::{Path, State};
use axum::response::Response;
use chrono::NaiveDate;
use serde::Serialize;
use shared_events::lane::PositionToken;
use shared_events::time::Timestamp;
use shared_events::values::Sku;
use sqlx::Row;
use sqlx::postgres::PgRow;
use utoipa::ToSchema;

use crate::database;
use crate::http::Service;
use crate::http::answer::place;
use crate::http::parameters::{Parameters, invalid};
use crate::http::problem::Problem;
use crate::http::queries::{found, lane, sku};
use crate::http::request::Request;
use crate::http::wait::{Found, FreshnessParameters};
use crate::projection_set::ProjectionSet;
use crate::projections::daily_flow::DailyFlow;
use crate::projections::view::View;

/// The days that one answer may hold.
const DAYS_MAX: i64 = 400;

/// What came in and went out of an item over some days, at all locations together.
#[derive(Debug, Serialize, ToSchema)]
pub struct ItemFlow {
    /// The item.
    #[schema(value_type = String)]
    pub sku: Sku,
    /// The first day.
    #[schema(value_type = String, format = Date)]
    pub from: NaiveDate,
    /// The day after the last.
    #[schema(value_type = String, format = Date)]
    pub to: NaiveDate,
    /// What was there before the first day.
    pub opening: i64,
    /// What was there after the last day.
    pub closing: i64,
    /// Every day, whether something happened on it or not.
    pub days: Vec<DayFlow>,
    /// How many events counted for the item, on whatever day.
    pub version: i64,
    /// The position of the last of them.
    #[schema(value_type = String, example = "3:1042")]
    pub position: PositionToken,
    /// When that was recorded.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
}

/// One day of UTC. An event belongs to the day on which it happened, however late it was recorded.
#[derive(Debug, Serialize, ToSchema)]
pub struct DayFlow {
    /// The day.
    #[schema(value_type = String, format = Date)]
    pub day: NaiveDate,
    /// Received.
    #[serde(rename = "in")]
    pub incoming: i64,
    /// Issued, and what was reserved and went out.
    #[serde(rename = "out")]
    pub outgoing: i64,
    /// Of what was reserved and went out, what came back.
    pub returned: i64,
    /// Adjusted, counted and taken back; negative when the books had too much.
    pub adjusted: i64,
    /// What was there at its end.
    pub closing: i64,
}

/// What came in and went out of one item, day by day. Moves between locations are left out.
#[utoipa::path(
    get,
    path = "/v1/flow/{sku}",
    params(
        ("sku" = String, Path),
        ("from" = String, Query, description = "the first day, such as 2026-11-01"),
        ("to" = String, Query, description = "the day after the last, at most 400 days on"),
        FreshnessParameters,
    ),
    responses(
        (status = 200, body = ItemFlow), (status = 304),
        (status = 404, description = "unknown_sku"),
        (status = 422, description = "invalid_parameter, invalid_position"),
        (status = 503, description = "not_yet_applied, projection_unavailable"),
    )
)]
pub async fn get_flow(
    State(projections): State<ProjectionSet>,
    Path(sku_text): Path<String>,
    mut request: Request,
) -> Result<Response, Problem> {
    let service = projections.active(DailyFlow::PROJECTION);
    let from = take_day(&mut request.parameters, "from")?;
    let to = take_day(&mut request.parameters, "to")?;
    let terms = request.finish()?;
    if !(1..=DAYS_MAX).contains(&(to - from).num_days()) {
        return Err(invalid("to", "1 to 400 days after from"));
    }
    let sku = sku(&sku_text)?;
    terms.one(&service, || read_flow(&service, &sku, from, to), |flow| flow.version).await
}

/// Takes a day; there is no day that everybody would mean without saying so.
fn take_day(parameters: &mut Parameters, name: &'static str) -> Result<NaiveDate, Problem> {
    let text = parameters.take_text(name).unwrap_or_default();
    let day = text.parse::<NaiveDate>().ok();
    // One day has one spelling.
    let day = day.filter(|day| day.to_string() == text && text.len() == "2026-11-01".len());
    day.ok_or_else(|| invalid(name, "a day, such as 2026-11-01"))
}

async fn read_flow(
    service: &Service,
    sku: &Sku,
    from: NaiveDate,
    to: NaiveDate,
) -> Result<Found<ItemFlow>, Problem> {
    let rows = sqlx::query(include_str!("get_flow.sql"))
        .bind(service.projection.version())
        .bind(database::lane_column(service.lane_map()?.lane_of_item(sku)))
        .bind(sku.as_str())
        .bind(from)
        .bind(to)
        .fetch_all(&service.pool)
        .await?;
    let first = rows.first().ok_or(sqlx::Error::RowNotFound)?;
    let flow = |first: &PgRow| {
        let days = rows.iter().map(day).collect::<sqlx::Result<Vec<_>>>()?;
        let opening = first.try_get("opening")?;
        Ok(ItemFlow {
            sku: sku.clone(),
            from,
            to,
            opening,
            closing: days.last().map_or(opening, |day| day.closing),
            days,
            version: first.try_get("version")?,
            position: place(lane(first)?, first.try_get("position")?),
            updated_at: first.try_get("updated_at").map(Timestamp::new)?,
        })
    };
    Ok(found(first, flow, Problem::UnknownSku(sku.to_string()))?)
}

fn day(row: &PgRow) -> sqlx::Result<DayFlow> {
    Ok(DayFlow {
        day: row.try_get("day")?,
        incoming: row.try_get("incoming")?,
        outgoing: row.try_get("outgoing")?,
        returned: row.try_get("returned")?,
        adjusted: row.try_get("adjusted")?,
        closing: row.try_get("closing")?,
    })
}
