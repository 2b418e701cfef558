//! Why a figure is what it is: the movements that made it, their sums, and for whom it is held.

mod summary;

use axum::extract::{Path, State};
use axum::response::Response;
use serde::Serialize;
use shared_events::lane::{Position, PositionToken};
use shared_events::recorded::EventId;
use shared_events::values::{LocationCode, Sku};
use sqlx::Row;
use sqlx::postgres::PgRow;
use utoipa::ToSchema;

use self::summary::{Summary, read_summary};
use crate::http::Service;
use crate::http::answer::{Figure, Tag};
use crate::http::moment::{Moment, Past};
use crate::http::page::{self, Cursor, PageParameters};
use crate::http::problem::Problem;
use crate::http::queries::movements::{Movement, movement};
use crate::http::queries::stock::figures::Subject;
use crate::http::queries::stock::level::read_then;
use crate::http::queries::{location, sku};
use crate::http::request::Request;
use crate::http::wait::{FreshnessParameters, Reflecting};

/// A figure with what made it.
#[derive(Debug, Serialize, ToSchema)]
pub struct Explanation {
    /// The item.
    #[schema(value_type = String)]
    pub sku: Sku,
    /// Where.
    #[schema(value_type = String)]
    pub location: LocationCode,
    /// The figures that are explained.
    pub figures: Figure,
    /// What the movements come to; on the first page only.
    pub summary: Option<Summary>,
    /// The movements behind the figures, newest first.
    pub movements: Vec<Step>,
    /// Asks for the movements before these; null when there are none.
    pub next_cursor: Option<String>,
    /// The position that the answer reflects.
    #[schema(value_type = String, example = "3:1042")]
    pub position: PositionToken,
    /// What `known_at` was resolved to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "3:1042")]
    pub known_position: Option<PositionToken>,
}

/// One movement, with its place in the history of the pair.
#[derive(Debug, Serialize, ToSchema)]
pub struct Step {
    /// The version of the figures after it.
    pub version: i64,
    #[serde(flatten)]
    pub movement: Movement,
    /// The reservation that it is for.
    pub reservation: Option<String>,
    /// The line of that reservation, from 1.
    pub line: Option<i64>,
}

/// The events behind a figure.
#[utoipa::path(
    get,
    path = "/v1/explain/{sku}/{location}",
    params(
        ("sku" = String, Path), ("location" = String, Path),
        ("at_position" = Option<String>, Query, description = "as it was at exactly this position"),
        ("known_at" = Option<String>, Query, description = "as it was known at this time"),
        PageParameters, FreshnessParameters,
    ),
    responses(
        (status = 200, body = Explanation), (status = 304),
        (status = 404, description = "unknown_sku, unknown_location"),
        (status = 422, description = "invalid_parameter, invalid_cursor, invalid_position"),
        (status = 503, description = "not_yet_applied, projection_unavailable"),
    )
)]
pub async fn explain(
    State(service): State<Service>,
    Path((sku_text, location_text)): Path<(String, String)>,
    mut request: Request,
) -> Result<Response, Problem> {
    let moment = Moment::take_known(&mut request.parameters, &service)?;
    let after = Cursor::take(&mut request.parameters, page::last_position)?;
    let limit = page::take_limit(&mut request.parameters)?;
    let terms = request.finish()?;
    let (sku, location) = (sku(&sku_text)?, location(&location_text)?);
    let subject = Subject { sku: sku.clone(), location: Some(location.clone()) };
    // 1. The figures, and with them how far: what stands up to there never changes, so all that is
    //    read afterwards is of the same moment.
    let past = match moment {
        Some(moment) => moment.resolve(&service).await?,
        None => Past::default(),
    };
    let lane = service.lane_map()?.lane_of_item(&sku);
    past.must_name(lane)?;
    let Reflecting { position, found } =
        read_then(&service, &terms.wanted, &subject, &past).await?;
    let figures = found?;
    let position = past.of_lanes(&[lane]).unwrap_or(position);
    let upto = position.get(lane).unwrap_or_default();
    // 2. What they come to, once.
    let summary = match after {
        None => Some(read_summary(&service, &sku, &location, upto).await?),
        Some(_) => None,
    };
    // 3. One page of movements.
    let before = after.map_or(upto, |after| Position(after.0 - 1).min(upto));
    let (movements, next_cursor) =
        read_movements(&service, (&sku, &location), before, limit).await?;
    let known_position = past.known_position(&[lane]);
    let tag = Tag::of_versions(&[figures.version, upto.0]);
    let explanation = Explanation {
        sku,
        location,
        figures,
        summary,
        movements,
        next_cursor,
        position: position.clone(),
        known_position,
    };
    Ok(terms.answer(&position, &tag, &explanation))
}

async fn read_movements(
    service: &Service,
    (sku, location): (&Sku, &LocationCode),
    upto: Position,
    limit: i64,
) -> Result<(Vec<Step>, Option<String>), Problem> {
    let rows = sqlx::query(include_str!("../../../queries/list_movements_of_pair.sql"))
        .bind(sku.as_str())
        .bind(location.as_str())
        .bind(upto.0)
        .bind(limit + 1)
        .fetch_all(&service.pool)
        .await?;
    steps(&rows, limit)
}

/// One page of the rows that were asked for, which are one more than the limit if there are others.
pub(super) fn steps(rows: &[PgRow], limit: i64) -> Result<(Vec<Step>, Option<String>), Problem> {
    let limit = usize::try_from(limit).unwrap_or_default();
    let steps = rows.iter().take(limit).map(step).collect::<sqlx::Result<Vec<Step>>>()?;
    let cursor = |step: &Step| {
        let EventId(lane, position) = step.movement.event;
        Cursor::Movement { recorded_at: step.movement.recorded_at, lane, position }.encode()
    };
    let next_cursor = steps.last().filter(|_| rows.len() > limit).map(cursor);
    Ok((steps, next_cursor))
}

fn step(row: &PgRow) -> sqlx::Result<Step> {
    Ok(Step {
        version: row.try_get("version")?,
        movement: movement(row)?,
        reservation: row.try_get("reservation")?,
        line: row.try_get("reservation_line")?,
    })
}
