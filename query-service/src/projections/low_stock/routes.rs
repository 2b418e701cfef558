//! Alerts: which items are short, and which were.

use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use shared_events::lane::{EventId, Position, PositionToken};
use shared_events::time::Timestamp;
use shared_events::values::{LocationCode, Sku};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row};
use utoipa::{IntoParams, ToSchema};

use crate::http::page::{ListRow, Page, PageParameters, PageQuery, PageResponses, PairKey};
use crate::http::problem::Problem;
use crate::http::request::{ReadParameters, ReadRequest};
use crate::http::rows::{lane, parsed, token};
use crate::projection_set::ProjectionSet;
use crate::projections::low_stock::{AlertId, AlertState, LowStock};
use crate::projections::view::View;

/// Whether an item is short at a location: its last alert, with the current figures.
#[derive(Debug, Serialize, ToSchema)]
pub struct AlertRow {
    /// The last alert's id.
    pub id: String,
    /// The item.
    #[schema(value_type = String)]
    pub sku: Sku,
    /// The location.
    #[schema(value_type = String)]
    pub location: LocationCode,
    /// Whether the item is short.
    pub state: AlertState,
    /// What is available now.
    pub available: i64,
    /// The item's reorder point now.
    pub reorder_point: i64,
    /// The event that caused the alert.
    #[schema(value_type = String, example = "3:1042")]
    pub position: PositionToken,
    /// When that was recorded.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// The position of the last event of the pair.
    #[serde(skip)]
    updated: i64,
}

impl FromRow<'_, PgRow> for AlertRow {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let (lane, position) = (lane(row)?, row.try_get("alert_position")?);
        let location: LocationCode = parsed(row.try_get("location")?)?;
        Ok(Self {
            id: AlertId(EventId(lane, Position(position)), location.clone()).to_string(),
            sku: parsed(row.try_get("sku")?)?,
            location,
            state: AlertState::of(row.try_get("raised")?),
            available: row.try_get("available")?,
            reorder_point: row.try_get("reorder_point")?,
            position: token(lane, position),
            since: row.try_get("alerted_at").map(Timestamp::new)?,
            updated: row.try_get("position")?,
        })
    }
}

impl ListRow for AlertRow {
    const LIST: &'static str = "alert";
    const ORDER: &'static str = "sku, location";
    type Key = PairKey;

    fn key(&self) -> PairKey {
        PairKey { sku: self.sku.clone(), location: self.location.clone() }
    }

    fn version(&self) -> i64 {
        self.updated
    }
}

/// The filters of a list of alerts.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AlertFilter {
    /// Only alerts of this item.
    #[param(value_type = Option<String>)]
    sku: Option<Sku>,
    /// raised: only what is short now; cleared: only what is no longer short.
    #[param(value_type = Option<String>)]
    state: Option<AlertState>,
}

/// Pairs that were ever short, by sku and location, each with its last alert.
#[utoipa::path(
    get, path = "/v1/alerts",
    params(AlertFilter, PageParameters, ReadParameters),
    responses((status = 200, body = Page<AlertRow>), PageResponses),
)]
pub async fn list_alerts(
    State(projections): State<ProjectionSet>,
    ReadRequest { parameters: (filter, page), options }: ReadRequest<(AlertFilter, PageParameters)>,
) -> Result<Response, Problem> {
    let service = projections.active(LowStock::PROJECTION);
    let after = page.after::<AlertRow>()?;
    let statement = || {
        let mut query = PageQuery::new(
            "with page as not materialized (\
                 select lane, position, sku, location, raised, available, \
                     alert_position, alerted_at, coalesce((\
                         select reorder_point from items where items.sku = levels.sku\
                     ), 0) as reorder_point \
                 from levels \
                 where alert_position is not null",
        );
        query.filter(" and sku = ", filter.sku.as_ref().map(Sku::as_str));
        query.filter(" and raised = ", filter.state.map(|state| state == AlertState::Raised));
        query.at("location", options.locations());
        query.after_pair(after.as_ref());
        query.order_by(AlertRow::ORDER, page.limit() + 1);
        query
    };
    options.page::<AlertRow>(&service, page.limit(), statement).await
}
