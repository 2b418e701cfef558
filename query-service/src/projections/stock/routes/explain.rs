//! Explanations of a figure: the movements that made it, their sums, and who holds it.

use axum::extract::{Path, State};
use axum::response::Response;
use serde::Serialize;
use shared_events::lane::{Position, PositionToken};
use shared_events::time::Timestamp;
use shared_events::values::{LocationCode, Sku};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row};
use utoipa::ToSchema;

use crate::http::Service;
use crate::http::answer::{Figure, Tag};
use crate::http::page::{ListRow, PageParameters, PageResponses};
use crate::http::past::KnownParameters;
use crate::http::problem::Problem;
use crate::http::request::{ReadParameters, ReadRequest};
use crate::http::rows::{NullableTime, Sum};
use crate::http::subject::{location, sku};
use crate::http::wait::AsOf;
use crate::projections::stock::routes::levels::figures::Subject;
use crate::projections::stock::routes::levels::level::read_past;
use crate::projections::stock::routes::movements::{
    Amounts, FIGURES, Movement, MovementKey, of_item,
};

/// The promises of each kind, and the arrivals, that are listed one by one.
const PROMISES_MAX: i64 = 200;

/// A figure with what made it.
#[derive(Debug, Serialize, ToSchema)]
pub struct Explanation {
    /// The item.
    #[schema(value_type = String)]
    pub sku: Sku,
    /// The location.
    #[schema(value_type = String)]
    pub location: LocationCode,
    /// The figures that are explained.
    pub figures: Figure,
    /// The sums of the movements; on the first page only.
    pub summary: Option<Summary>,
    /// The movements behind the figures, newest first.
    pub movements: Vec<Step>,
    /// Asks for the movements before these; null when there are none.
    pub next_cursor: Option<String>,
    /// The position that the answer reflects.
    #[schema(value_type = String, example = "3:1042")]
    pub position: PositionToken,
    /// The position that `known_at` was resolved to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "3:1042")]
    pub known_position: Option<PositionToken>,
}

/// One movement, with its place in the history of the pair.
#[derive(Debug, Serialize, ToSchema, FromRow)]
pub struct Step {
    /// The version of the figures after the movement.
    pub version: i64,
    #[serde(flatten)]
    #[sqlx(flatten)]
    pub movement: Movement,
    /// The reservation that the movement belongs to.
    pub reservation: Option<String>,
    /// The transfer that the movement belongs to.
    pub transfer: Option<String>,
    /// The line of that reservation or transfer, from 1.
    pub line: Option<i64>,
}

/// The sums of all movements.
#[derive(Debug, Serialize, ToSchema)]
pub struct Summary {
    /// The sum of each type of event; together they are the figures.
    pub by_type: Vec<TypeSum>,
    /// The holds that make up reserved; those that end first come first.
    pub reserved_by: Promises,
    /// The promises that make up allocated.
    pub allocated_by: Promises,
    /// The transfers that make up incoming.
    pub incoming_by: Arrivals,
    /// The reservations that make up waiting.
    pub waiting_by: Waiters,
}

/// The sum of the events of one type.
#[derive(Debug, Serialize, ToSchema)]
pub struct TypeSum {
    /// The type.
    #[serde(rename = "type")]
    pub event_type: String,
    /// How many events.
    pub events: i64,
    /// The sum of their changes.
    pub delta: Amounts,
}

/// Lines of reservations that stock is held for or promised to.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct Promises {
    /// How many lines in all.
    pub lines: i64,
    /// The quantity of all lines.
    pub quantity: i64,
    /// The first 200 lines.
    pub items: Vec<Promise>,
}

/// One line of a reservation.
#[derive(Debug, Serialize, ToSchema, FromRow)]
pub struct Promise {
    /// The reservation's id.
    pub reservation: String,
    /// The line, from 1.
    #[sqlx(rename = "reservation_line")]
    pub line: i64,
    /// The quantity that is held or promised.
    pub quantity: i64,
    /// When the hold ends; null for a promise, which does not end.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[sqlx(try_from = "NullableTime")]
    pub expires_at: Option<Timestamp>,
}

/// Lines of transfers that are on their way here.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct Arrivals {
    /// How many lines in all.
    pub lines: i64,
    /// The quantity of all lines.
    pub quantity: i128,
    /// The first 200 lines.
    pub items: Vec<Arrival>,
}

/// One line of a transfer.
#[derive(Debug, Serialize, ToSchema, FromRow)]
pub struct Arrival {
    /// The transfer's id.
    pub transfer: String,
    /// The line, from 1.
    #[sqlx(rename = "transfer_line")]
    pub line: i64,
    /// The quantity that is on its way.
    pub quantity: i64,
}

/// Lines of reservations that wait for stock.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct Waiters {
    /// How many lines in all.
    pub lines: i64,
    /// The quantity of all lines.
    pub quantity: i128,
    /// The first 200 lines.
    pub items: Vec<Waiter>,
}

/// One line of a reservation that waits.
#[derive(Debug, Serialize, ToSchema, FromRow)]
pub struct Waiter {
    /// The reservation's id.
    pub reservation: String,
    /// The line, from 1.
    #[sqlx(rename = "reservation_line")]
    pub line: i64,
    /// The quantity that waits.
    pub quantity: i64,
}

impl ListRow for Step {
    const LIST: &'static str = Movement::LIST;
    const ORDER: &'static str = "position desc";
    type Key = MovementKey;

    fn key(&self) -> MovementKey {
        self.movement.key()
    }

    fn version(&self) -> i64 {
        self.version
    }
}

/// Why a figure is what it is: the events that made it.
#[utoipa::path(
    get, path = "/v1/explain/{sku}/{location}",
    params(
        ("sku" = String, Path), ("location" = String, Path),
        KnownParameters, PageParameters, ReadParameters,
    ),
    responses(
        (status = 200, body = Explanation),
        (status = 404, description = "unknown_sku, unknown_location"),
        PageResponses,
    )
)]
pub async fn explain(
    State(service): State<Service>,
    Path((sku_text, location_text)): Path<(String, String)>,
    ReadRequest { parameters: (past, page), options }: ReadRequest<(
        KnownParameters,
        PageParameters,
    )>,
) -> Result<Response, Problem> {
    let after = page.after::<Step>()?;
    let (sku, location) = (sku(&sku_text)?, location(&location_text)?);
    options.require(&location)?;
    let subject = Subject { sku: sku.clone(), location: Some(location.clone()) };
    // 1. The figures and their position. Events up to a position never change, so everything that is
    //    read afterwards is of the same moment.
    let past = past.resolve(&service).await?;
    let lane = service.lane_map()?.lane_of_item(&sku);
    past.must_name(lane)?;
    let AsOf { position, value } =
        read_past(&service, &options.min_position, &subject, &past).await?;
    let figures = value?;
    let position = past.of_lanes(&[lane]).unwrap_or(position);
    let upto = position.get(lane).unwrap_or_default();
    // 2. The sums, on the first page.
    let summary = match after {
        None => Some(read_summary(&service, &sku, &location, upto).await?),
        Some(_) => None,
    };
    // 3. One page of movements.
    let last = after.map_or(upto, |after| Position(after.position.0 - 1).min(upto));
    let steps = of_item(&sku, Some(&location), options.locations(), page.limit(), |query| {
        query.push(" and position <= ").bind(last.0);
    });
    let steps = steps.fetch::<Step>(&service, page.limit()).await?.value;
    let tag = Tag::of_versions(&[figures.version, upto.0]);
    let explanation = Explanation {
        sku,
        location,
        figures,
        summary,
        movements: steps.items,
        next_cursor: steps.next_cursor,
        position: position.clone(),
        known_position: past.known_position(&[lane]),
    };
    Ok(options.answer(&position, &tag, &explanation))
}

async fn read_summary(
    service: &Service,
    sku: &Sku,
    location: &LocationCode,
    upto: Position,
) -> Result<Summary, Problem> {
    let of_pair =
        |statement| sqlx::query(statement).bind(sku.as_str()).bind(location.as_str()).bind(upto.0);
    let listed = |statement| of_pair(statement).bind(PROMISES_MAX).fetch_all(&service.pool);
    let sums =
        of_pair(include_str!("../sum_movements_by_type.sql")).fetch_all(&service.pool).await?;
    let promises = listed(include_str!("../list_promises.sql")).await?;
    let incoming = listed(include_str!("../list_incoming.sql")).await?;
    let waiting = listed(include_str!("../list_waiting.sql")).await?;
    let mut summary = Summary {
        by_type: sums.iter().map(type_sum).collect::<sqlx::Result<_>>()?,
        reserved_by: Promises::default(),
        allocated_by: Promises::default(),
        incoming_by: Arrivals::default(),
        waiting_by: Waiters::default(),
    };
    for row in &waiting {
        summary.waiting_by.lines = row.try_get("lines")?;
        summary.waiting_by.quantity = row.try_get::<Sum, _>("total")?.into();
        summary.waiting_by.items.push(Waiter::from_row(row)?);
    }
    for row in &incoming {
        summary.incoming_by.lines = row.try_get("lines")?;
        summary.incoming_by.quantity = row.try_get::<Sum, _>("total")?.into();
        summary.incoming_by.items.push(Arrival::from_row(row)?);
    }
    for row in &promises {
        let is_hold: bool = row.try_get("is_hold")?;
        let kind = if is_hold { &mut summary.reserved_by } else { &mut summary.allocated_by };
        kind.lines = row.try_get("lines")?;
        kind.quantity = row.try_get("total")?;
        kind.items.push(Promise::from_row(row)?);
    }
    Ok(summary)
}

fn type_sum(row: &PgRow) -> sqlx::Result<TypeSum> {
    Ok(TypeSum {
        event_type: row.try_get("type")?,
        events: row.try_get("events")?,
        delta: Amounts::of(row, FIGURES)?,
    })
}
