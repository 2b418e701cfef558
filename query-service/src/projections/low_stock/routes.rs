//! What is short, and what was.

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use shared_events::lane::{EventId, Position, PositionToken};
use shared_events::time::Timestamp;
use shared_events::values::{LocationCode, Sku};
use sqlx::Row;
use sqlx::postgres::PgRow;
use utoipa::ToSchema;

use crate::http::Service;
use crate::http::answer::place;
use crate::http::filtered::Filtered;
use crate::http::page::{self, Cursor, Page, PageParameters};
use crate::http::parameters::{Parameters, invalid};
use crate::http::problem::Problem;
use crate::http::queries::{lane, stored};
use crate::http::request::Request;
use crate::http::wait::{FreshnessParameters, Reflecting};
use crate::projection_set::ProjectionSet;
use crate::projections::low_stock::LowStock;
use crate::projections::low_stock::{AlertId, AlertState};
use crate::projections::view::View;

/// Whether an item is short at a location: its last alert, with the figures of now.
#[derive(Debug, Serialize, ToSchema)]
pub struct AlertRow {
    /// The last alert's id.
    pub id: String,
    /// The item.
    #[schema(value_type = String)]
    pub sku: Sku,
    /// Where.
    #[schema(value_type = String)]
    pub location: LocationCode,
    /// Whether it is short.
    pub state: AlertState,
    /// What is available now.
    pub available: i64,
    /// The item's reorder point now.
    pub reorder_point: i64,
    /// The event that brought the alert about.
    #[schema(value_type = String, example = "3:1042")]
    pub position: PositionToken,
    /// When that was recorded.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// The last event that bears on it; not shown.
    #[serde(skip)]
    updated: Position,
}

/// Pairs that were ever short, by sku and location, each with its last alert.
#[utoipa::path(
    get,
    path = "/v1/alerts",
    params(
        ("sku" = Option<String>, Query, description = "only this item"),
        ("state" = Option<String>, Query, description = "raised: only what is short now; cleared: only what is short no longer"),
        PageParameters, FreshnessParameters,
    ),
    responses(
        (status = 200, body = Page<AlertRow>), (status = 304),
        (status = 422, description = "invalid_parameter, invalid_cursor, invalid_position"),
        (status = 503, description = "not_yet_applied, projection_unavailable"),
    )
)]
pub async fn list_alerts(
    State(projections): State<ProjectionSet>,
    mut request: Request,
) -> Result<Response, Problem> {
    let service = projections.active(LowStock::PROJECTION);
    let filter = Filter::take(&mut request.parameters)?;
    let terms = request.finish()?;
    let key = |row: &AlertRow| (row.sku.clone(), row.location.clone(), row.updated);
    terms.page(&service, || read_alerts(&service, &filter), key).await
}

/// Which pairs a list holds.
struct Filter {
    sku: Option<Sku>,
    raised: Option<bool>,
    after: Option<(Sku, LocationCode)>,
    limit: i64,
}

impl Filter {
    fn take(parameters: &mut Parameters) -> Result<Self, Problem> {
        let raised = match parameters.take_text("state").as_deref() {
            None => None,
            Some("raised") => Some(true),
            Some("cleared") => Some(false),
            Some(_) => return Err(invalid("state", "raised or cleared")),
        };
        Ok(Self {
            sku: parameters.take("sku")?,
            raised,
            after: Cursor::take(parameters, |cursor| match cursor {
                Cursor::Alert { sku, location } => Some((sku, location)),
                _ => None,
            })?,
            limit: page::take_limit(parameters)?,
        })
    }
}

async fn read_alerts(
    service: &Service,
    filter: &Filter,
) -> Result<Reflecting<Page<AlertRow>>, Problem> {
    let after = filter.after.as_ref();
    let rows = Filtered::new(include_str!("list_alerts.sql"))
        .bind(service.projection.version())
        .filter(filter.sku.as_ref().map(Sku::as_str))
        .filter(filter.raised)
        .filter(after.map(|(sku, _)| sku.as_str()))
        .filter(after.map(|(_, location)| location.as_str()))
        .limit(filter.limit + 1)
        .fetch_all(&service.pool)
        .await?;
    page::of_rows(&rows, filter.limit, alert, |row| Cursor::Alert {
        sku: row.sku.clone(),
        location: row.location.clone(),
    })
}

fn alert(row: &PgRow) -> sqlx::Result<AlertRow> {
    let lane = lane(row)?;
    let position = row.try_get("alert_position")?;
    let location: LocationCode = stored(row.try_get("location")?)?;
    Ok(AlertRow {
        id: AlertId(EventId(lane, Position(position)), location.clone()).to_string(),
        sku: stored(row.try_get("sku")?)?,
        location,
        state: AlertState::of(row.try_get("raised")?),
        available: row.try_get("available")?,
        reorder_point: row.try_get("reorder_point")?,
        position: place(lane, position),
        since: row.try_get("alerted_at").map(Timestamp::new)?,
        updated: Position(row.try_get("position")?),
    })
}
