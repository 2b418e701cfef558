//! Daily flow: how much came in and went out, day by day.

use axum::extract::{Path, State};
use axum::response::Response;
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use shared_events::lane::PositionToken;
use shared_events::time::Timestamp;
use shared_events::values::Sku;
use sqlx::{FromRow, Row};
use utoipa::{IntoParams, ToSchema};

use crate::http::Service;
use crate::http::parameters::invalid;
use crate::http::problem::Problem;
use crate::http::request::{ReadParameters, ReadRequest, ReadResponses};
use crate::http::rows::{LanePosition, Sum, lane, token};
use crate::http::subject::sku;
use crate::http::wait::{AsOf, Lookup};
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
    /// The quantity on hand before the first day.
    pub opening: i128,
    /// The quantity on hand after the last day.
    pub closing: i128,
    /// Every day, whether something happened on it or not.
    pub days: Vec<DayFlow>,
    /// How many events counted for the item, on any day.
    pub version: i64,
    /// The position of the last of them.
    #[schema(value_type = String, example = "3:1042")]
    pub position: PositionToken,
    /// When that was recorded.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
}

/// One day of UTC. An event belongs to the day on which it happened, however late it was recorded.
#[derive(Debug, Serialize, ToSchema, FromRow)]
pub struct DayFlow {
    /// The day.
    #[schema(value_type = String, format = Date)]
    pub day: NaiveDate,
    /// Received.
    #[serde(rename = "in")]
    #[sqlx(try_from = "Sum")]
    pub incoming: i128,
    /// Issued, directly or from a reservation.
    #[serde(rename = "out")]
    #[sqlx(try_from = "Sum")]
    pub outgoing: i128,
    /// Returned after it was issued from a reservation.
    #[sqlx(try_from = "Sum")]
    pub returned: i128,
    /// Adjusted, counted and reversed; negative when the books had too much.
    #[sqlx(try_from = "Sum")]
    pub adjusted: i128,
    /// What came in or came back on transfers, less what left on them; what is lost stays missing.
    #[sqlx(try_from = "Sum")]
    pub transferred: i128,
    /// The quantity on hand at the end of the day.
    #[sqlx(try_from = "Sum")]
    pub closing: i128,
}

/// The days of a flow.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct FlowParameters {
    /// The first day, such as 2026-11-01.
    #[param(value_type = String)]
    from: Day,
    /// The day after the last, at most 400 days later.
    #[param(value_type = String)]
    to: Day,
}

/// A day in its one spelling.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
struct Day(NaiveDate);

impl TryFrom<String> for Day {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let day = text.parse::<NaiveDate>().ok();
        day.filter(|day| day.to_string() == text && text.len() == "2026-11-01".len())
            .map(Self)
            .ok_or("must be a day, such as 2026-11-01")
    }
}

/// What came in and went out of one item, day by day. Moves between locations are left out.
#[utoipa::path(
    get, path = "/v1/flow/{sku}",
    params(("sku" = String, Path), FlowParameters, ReadParameters),
    responses(
        (status = 200, body = ItemFlow),
        (status = 404, description = "unknown_sku"),
        ReadResponses,
    )
)]
pub async fn get_flow(
    State(projections): State<ProjectionSet>,
    Path(sku_text): Path<String>,
    ReadRequest { parameters, options }: ReadRequest<FlowParameters>,
) -> Result<Response, Problem> {
    let service = projections.active(DailyFlow::PROJECTION);
    let FlowParameters { from: Day(from), to: Day(to) } = parameters;
    if !(1..=DAYS_MAX).contains(&(to - from).num_days()) {
        return Err(invalid("to", "1 to 400 days after from"));
    }
    let sku = sku(&sku_text)?;
    options.one(&service, || read_flow(&service, &sku, from, to), |flow| flow.version).await
}

async fn read_flow(
    service: &Service,
    sku: &Sku,
    from: NaiveDate,
    to: NaiveDate,
) -> Result<Lookup<ItemFlow>, Problem> {
    let rows = sqlx::query(include_str!("get_flow.sql"))
        .bind(service.projection.version())
        .bind(i16::from(service.lane_map()?.lane_of_item(sku)))
        .bind(sku.as_str())
        .bind(from)
        .bind(to)
        .fetch_all(&service.pool)
        .await?;
    let first = rows.first().ok_or(sqlx::Error::RowNotFound)?;
    let position = token(lane(first)?, first.try_get("applied")?);
    if !first.try_get::<bool, _>("present")? {
        return Ok(AsOf { position, value: Err(Problem::unknown_sku(sku.to_string())) });
    }
    let days = rows.iter().map(DayFlow::from_row).collect::<sqlx::Result<Vec<_>>>()?;
    let Sum(opening) = first.try_get("opening")?;
    let flow = ItemFlow {
        sku: sku.clone(),
        from,
        to,
        opening,
        closing: days.last().map_or(opening, |day| day.closing),
        days,
        version: first.try_get("version")?,
        position: LanePosition::from_row(first)?.into(),
        updated_at: first.try_get("updated_at").map(Timestamp::new)?,
    };
    Ok(AsOf { position, value: Ok(flow) })
}
