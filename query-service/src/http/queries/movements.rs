//! How it came to be so: every change of stock.

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use shared_events::event::{Event, Reference};
use shared_events::lane::{Lane, Position, PositionToken};
use shared_events::recorded::EventId;
use shared_events::time::Timestamp;
use shared_events::values::{Code, Label, LocationCode, Sku};
use sqlx::Row;
use sqlx::postgres::PgRow;
use utoipa::ToSchema;

use crate::http::Service;
use crate::http::answer::place;
use crate::http::filtered::Filtered;
use crate::http::page::{self, Cursor, Page, PageParameters};
use crate::http::parameters::{Parameters, invalid};
use crate::http::problem::Problem;
use crate::http::queries::{lane, reference, stored, take_reference};
use crate::http::request::Request;
use crate::http::wait::{FreshnessParameters, Reflecting};

/// One change of stock.
#[derive(Debug, Serialize, ToSchema)]
pub struct Movement {
    /// The event's id.
    #[schema(value_type = String, example = "3-1042")]
    pub event: EventId,
    /// Its place in the log.
    #[schema(value_type = String, example = "3:1042")]
    pub position: PositionToken,
    /// The item.
    #[schema(value_type = String)]
    pub sku: Sku,
    /// Where.
    #[schema(value_type = String)]
    pub location: LocationCode,
    /// The event's type.
    #[serde(rename = "type")]
    pub event_type: String,
    /// A code for the reason.
    pub reason: Option<String>,
    /// The outside document behind it.
    #[schema(value_type = Option<Object>)]
    pub reference: Option<Reference>,
    /// Who, as an opaque id.
    pub actor: Option<String>,
    /// What belongs together.
    pub correlation_id: String,
    /// When it happened.
    #[schema(value_type = String, format = DateTime)]
    pub occurred_at: Timestamp,
    /// When it was recorded.
    #[schema(value_type = String, format = DateTime)]
    pub recorded_at: Timestamp,
    /// The figures before it.
    pub before: Amounts,
    /// What it changed.
    pub delta: Amounts,
    /// The figures after it.
    pub after: Amounts,
}

/// Figures, or differences of figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct Amounts {
    /// Physically there.
    pub on_hand: i64,
    /// Held for somebody until the hold ends.
    pub reserved: i64,
    /// Firmly promised.
    pub allocated: i64,
    /// on_hand − reserved − allocated.
    pub available: i64,
}

impl Amounts {
    /// With what is available of them.
    pub(super) fn new(on_hand: i64, reserved: i64, allocated: i64) -> Self {
        Self { on_hand, reserved, allocated, available: on_hand - reserved - allocated }
    }

    fn minus(self, delta: Self) -> Self {
        Self::new(
            self.on_hand - delta.on_hand,
            self.reserved - delta.reserved,
            self.allocated - delta.allocated,
        )
    }
}

/// Changes of stock, newest first.
#[utoipa::path(
    get,
    path = "/v1/movements",
    params(
        ("sku" = Option<String>, Query, description = "only this sku"),
        ("location" = Option<String>, Query, description = "only this location"),
        ("type" = Option<String>, Query, description = "only this type of event, such as StockReceived"),
        ("reason" = Option<String>, Query, description = "only this reason"),
        ("reference" = Option<String>, Query, description = "only this document, type/id"),
        ("actor" = Option<String>, Query, description = "only by this actor"),
        ("correlation_id" = Option<String>, Query, description = "only what belongs together so"),
        ("from" = Option<String>, Query, description = "recorded at this time or later"),
        ("to" = Option<String>, Query, description = "recorded before this time"),
        PageParameters, FreshnessParameters,
    ),
    responses(
        (status = 200, body = Page<Movement>), (status = 304),
        (status = 422, description = "invalid_parameter, invalid_cursor, invalid_position"),
        (status = 503, description = "not_yet_applied, projection_unavailable"),
    )
)]
pub async fn list_movements(
    State(service): State<Service>,
    mut request: Request,
) -> Result<Response, Problem> {
    let filter = Filter::take(&mut request.parameters)?;
    let terms = request.finish()?;
    terms.page(&service, || read_movements(&service, &filter), |movement| movement.event).await
}

/// Which movements a list holds.
struct Filter {
    sku: Option<Sku>,
    location: Option<LocationCode>,
    event_type: Option<String>,
    reason: Option<Code>,
    reference: Option<(Label, Label)>,
    actor: Option<Label>,
    correlation_id: Option<Label>,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    after: Option<(Timestamp, Lane, Position)>,
    limit: i64,
}

impl Filter {
    fn take(parameters: &mut Parameters) -> Result<Self, Problem> {
        Ok(Self {
            sku: parameters.take("sku")?,
            location: parameters.take("location")?,
            event_type: take_type(parameters)?,
            reason: parameters.take("reason")?,
            reference: take_reference(parameters)?,
            actor: parameters.take("actor")?,
            correlation_id: parameters.take("correlation_id")?,
            from: parameters.take("from")?,
            to: parameters.take("to")?,
            after: Cursor::take(parameters, |cursor| match cursor {
                Cursor::Movement { recorded_at, lane, position } => {
                    Some((recorded_at, lane, position))
                }
                _ => None,
            })?,
            limit: page::take_limit(parameters)?,
        })
    }
}

fn take_type(parameters: &mut Parameters) -> Result<Option<String>, Problem> {
    let name = parameters.take_text("type");
    let is_known = |name: &String| Event::TYPES.iter().any(|(known, _)| known == name);
    if name.as_ref().is_none_or(is_known) {
        Ok(name)
    } else {
        Err(invalid("type", "a type of event, such as StockReceived"))
    }
}

async fn read_movements(
    service: &Service,
    filter: &Filter,
) -> Result<Reflecting<Page<Movement>>, Problem> {
    let reference = filter.reference.as_ref();
    let after = filter.after;
    let statement = match &filter.sku {
        Some(_) => include_str!("../../../queries/list_movements_of_item.sql"),
        None => include_str!("../../../queries/list_movements.sql"),
    };
    let rows = Filtered::new(statement)
        .bind(service.projection.version())
        .filter(filter.sku.as_ref().map(Sku::as_str))
        .filter(filter.location.as_ref().map(LocationCode::as_str))
        .filter(filter.event_type.as_ref())
        .filter(filter.reason.as_ref().map(Code::as_str))
        .filter(reference.map(|(kind, _)| kind.as_str()))
        .filter(reference.map(|(_, id)| id.as_str()))
        .filter(filter.actor.as_ref().map(Label::as_str))
        .filter(filter.correlation_id.as_ref().map(Label::as_str))
        .filter(filter.from.map(Timestamp::to_utc))
        .filter(filter.to.map(Timestamp::to_utc))
        .filter(after.map(|(recorded_at, _, _)| recorded_at.to_utc()))
        .filter(after.map(|(_, lane, _)| i32::from(lane.0)))
        .filter(after.map(|(_, _, position)| position.0))
        .limit(filter.limit + 1)
        .fetch_all(&service.pool)
        .await?;
    page::of_rows(&rows, filter.limit, movement, |movement| {
        let EventId(lane, position) = movement.event;
        Cursor::Movement { recorded_at: movement.recorded_at, lane, position }
    })
}

/// A movement of a row that has its columns.
pub(super) fn movement(row: &PgRow) -> sqlx::Result<Movement> {
    let lane = lane(row)?;
    let position: i64 = row.try_get("position")?;
    let amounts = |columns: [&str; 3]| -> sqlx::Result<Amounts> {
        let [on_hand, reserved, allocated] = columns.map(|column| row.try_get(column));
        Ok(Amounts::new(on_hand?, reserved?, allocated?))
    };
    let after = amounts(["on_hand", "reserved", "allocated"])?;
    let delta = amounts(["on_hand_delta", "reserved_delta", "allocated_delta"])?;
    Ok(Movement {
        event: EventId(lane, Position(position)),
        position: place(lane, position),
        sku: stored(row.try_get("sku")?)?,
        location: stored(row.try_get("location")?)?,
        event_type: row.try_get("type")?,
        reason: row.try_get("reason")?,
        reference: reference(row)?,
        actor: row.try_get("actor")?,
        correlation_id: row.try_get("correlation_id")?,
        occurred_at: row.try_get("occurred_at").map(Timestamp::new)?,
        recorded_at: row.try_get("recorded_at").map(Timestamp::new)?,
        before: after.minus(delta),
        delta,
        after,
    })
}
