//! Orders: where each stands, and which event says so.

use std::collections::BTreeMap;

use axum::extract::{Path, State};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use service_edge::sign_in::credential::Locations;
use shared_events::event::Reference;
use shared_events::lane::{EventId, PositionToken};
use shared_events::order::{OrderLine, OrderStatus, ProcessStep, StepName, StepStatus};
use shared_events::stream::Stream;
use shared_events::time::Timestamp;
use shared_events::values::{Label, LocationCode, OrderId, ReservationId, Sku};
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{FromRow, Row};
use utoipa::{IntoParams, ToSchema};

use crate::http::Service;
use crate::http::page::{ListRow, MadeKey, Page, PageParameters, PageQuery, PageResponses};
use crate::http::problem::Problem;
use crate::http::request::{Placed, ReadParameters, ReadRequest, ReadResponses};
use crate::http::rows::{LanePosition, ReferenceColumns, parsed, read_one};
use crate::http::wait::{AsOf, Lookup};
use crate::projection_set::ProjectionSet;
use crate::projections::orders::Orders;
use crate::projections::view::View;

/// An order, as it stands after its last step.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Order)]
pub struct OrderAnswer {
    /// The order's id.
    #[schema(value_type = String, example = "117-019a9f3c-5a3e-7cc1-8a05-0242ac120002")]
    pub id: OrderId,
    /// Whose order it is.
    #[schema(value_type = String)]
    pub owner: Label,
    /// placed, waiting, awaiting_payment, confirmed, declined, timed_out, cancelled or failed.
    #[schema(value_type = String, example = "confirmed")]
    pub status: OrderStatus,
    /// The reservation that holds its stock; null before that.
    #[schema(value_type = Option<String>, required = true)]
    pub reservation: Option<ReservationId>,
    /// When it ends unless it is paid.
    #[schema(value_type = String, format = DateTime)]
    pub deadline: Timestamp,
    /// The outside document.
    #[schema(value_type = Option<Object>, required = true)]
    pub reference: Option<Reference>,
    /// The lines of the order.
    pub lines: Vec<OrderedLine>,
    /// The steps that have begun, in the order in which they did.
    pub steps: Vec<OrderStep>,
    /// How many events the order has.
    pub version: i64,
    /// The position of the last of them.
    #[schema(value_type = String, example = "3:1042")]
    pub position: PositionToken,
    /// When that was recorded.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
    /// When it was placed, which lists are ordered by.
    #[serde(skip)]
    made_at: Timestamp,
}

/// One line of an order.
#[derive(Debug, Serialize, ToSchema)]
pub struct OrderedLine {
    /// The number of the line, from 1.
    pub line: u32,
    /// The item.
    #[schema(value_type = String)]
    pub sku: Sku,
    /// The location.
    #[schema(value_type = String)]
    pub location: LocationCode,
    /// The quantity that was asked for.
    pub requested: i64,
    /// The part of it that was held; 0 before that.
    pub quantity: i64,
}

/// A step of an order.
#[derive(Debug, Serialize, ToSchema)]
pub struct OrderStep {
    /// reserve, authorise, confirm, release or void.
    #[schema(value_type = String, example = "reserve")]
    pub name: StepName,
    /// pending, done, refused or needs_operator.
    #[schema(value_type = String, example = "done")]
    pub status: StepStatus,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// The event that says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, example = "3-1042")]
    pub event: Option<EventId>,
    /// The problem that refused it, or what the payment service replied.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object, required = false)]
    pub detail: Option<Value>,
}

impl From<OrderLine> for OrderedLine {
    fn from(OrderLine { line, sku, location, requested, quantity }: OrderLine) -> Self {
        Self { line, sku, location, requested, quantity }
    }
}

impl FromRow<'_, PgRow> for OrderAnswer {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let Json(lines): Json<Vec<OrderLine>> = row.try_get("lines")?;
        let Json(steps): Json<Vec<ProcessStep>> = row.try_get("steps")?;
        let Json(events): Json<BTreeMap<StepName, EventId>> = row.try_get("events")?;
        let step = |ProcessStep { name, status, at, detail, version: _ }: ProcessStep| OrderStep {
            name,
            status,
            at,
            event: events.get(&name).copied(),
            detail,
        };
        let reference = ReferenceColumns::from_row(row)?;
        let reservation: Option<&str> = row.try_get("reservation")?;
        Ok(Self {
            id: parsed(row.try_get("id")?)?,
            owner: parsed(row.try_get("owner")?)?,
            status: parsed(row.try_get("status")?)?,
            reservation: reservation.map(parsed).transpose()?,
            deadline: row.try_get("deadline").map(Timestamp::new)?,
            reference: reference
                .try_into()
                .map_err(|error| sqlx::Error::Decode(Box::new(error)))?,
            lines: lines.into_iter().map(OrderedLine::from).collect(),
            steps: steps.into_iter().map(step).collect(),
            version: row.try_get("version")?,
            position: LanePosition::from_row(row)?.into(),
            updated_at: row.try_get("updated_at").map(Timestamp::new)?,
            made_at: row.try_get("made_at").map(Timestamp::new)?,
        })
    }
}

impl ListRow for OrderAnswer {
    const LIST: &'static str = "order";
    const ORDER: &'static str = "made_at desc, id desc";
    type Key = MadeKey<OrderId>;

    fn key(&self) -> MadeKey<OrderId> {
        MadeKey { made_at: self.made_at, id: self.id.clone() }
    }

    fn version(&self) -> i64 {
        self.version
    }
}

impl Placed for OrderAnswer {
    fn locations(&self) -> impl Iterator<Item = &LocationCode> {
        self.lines.iter().map(|line| &line.location)
    }
}

/// One order.
#[utoipa::path(
    get, path = "/v1/orders/{id}",
    params(("id" = String, Path), ReadParameters),
    responses(
        (status = 200, body = OrderAnswer),
        (status = 404, description = "unknown_order"),
        ReadResponses,
    )
)]
pub async fn get_order(
    State(projections): State<ProjectionSet>,
    Path(id_text): Path<String>,
    ReadRequest { options, .. }: ReadRequest<()>,
) -> Result<Response, Problem> {
    let service = projections.active(Orders::PROJECTION);
    let id = id_text.parse().map_err(|_| Problem::unknown_order(id_text))?;
    options.own(&service, || read_order(&service, &id), |one| one.version).await
}

async fn read_order(service: &Service, id: &OrderId) -> Result<Lookup<OrderAnswer>, Problem> {
    let lane = service.lane_map()?.lane_of(&Stream::Order(id.clone()));
    let statement = include_str!("get_order.sql");
    read_one(service, statement, lane, id.as_str(), Problem::unknown_order).await
}

/// The filters of a list of orders.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct OrderFilter {
    /// Only orders of this owner.
    #[param(value_type = Option<String>)]
    owner: Option<Label>,
    /// Only placed, waiting, awaiting_payment, confirmed, declined, timed_out, cancelled or failed orders.
    #[param(value_type = Option<String>)]
    status: Option<OrderStatus>,
}

/// Orders, newest first. A page that comes to 5,000 lines ends before its limit.
#[utoipa::path(
    get, path = "/v1/orders",
    params(OrderFilter, PageParameters, ReadParameters),
    responses((status = 200, body = Page<OrderAnswer>), PageResponses),
)]
pub async fn list_orders(
    State(projections): State<ProjectionSet>,
    ReadRequest { parameters: (filter, page), options }: ReadRequest<(OrderFilter, PageParameters)>,
) -> Result<Response, Problem> {
    let service = projections.active(Orders::PROJECTION);
    let after = page.after::<OrderAnswer>()?;
    let locations = options.locations();
    let read = || read_orders(&service, &filter, locations, after.as_ref(), page.limit());
    options.list(&service, read).await
}

/// One page, bounded as [`PageQuery::fetch_with_lines`] says.
async fn read_orders(
    service: &Service,
    OrderFilter { owner, status }: &OrderFilter,
    locations: &Locations,
    after: Option<&MadeKey<OrderId>>,
    limit: i64,
) -> Result<AsOf<Page<OrderAnswer>>, Problem> {
    let columns = "lane, position, id, owner, status, reservation, deadline, reference_type, \
                   reference_id, reference_line, lines, steps, events, made_at, version, updated_at";
    let mut query = PageQuery::new("with found as (select * from orders where true");
    query.filter(" and owner = ", owner.as_ref().map(Label::as_str));
    query.filter(" and status = ", status.map(OrderStatus::as_str));
    query.after_made("orders", after);
    query.within("lines", &["location"], locations);
    query.order_by(OrderAnswer::ORDER, limit + 1);
    query.fetch_with_lines(service, columns, limit).await
}
