//! Movements: every change of stock.

use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use service_edge::sign_in::credential::Locations;
use shared_events::event::{Event, Figures, Reference};
use shared_events::lane::{Lane, Position, PositionToken};
use shared_events::recorded::EventId;
use shared_events::time::Timestamp;
use shared_events::values::{Code, Label, LocationCode, Sku, ValueError};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row};
use utoipa::{IntoParams, ToSchema};

use crate::http::Service;
use crate::http::page::{ListRow, Page, PageParameters, PageQuery, PageResponses};
use crate::http::problem::Problem;
use crate::http::request::{ReadParameters, ReadRequest};
use crate::http::rows::{LanePosition, ReferenceColumns, Sum, parsed};
use crate::http::subject::DocumentId;

/// The columns of a movement, and of a step of an explanation.
const COLUMNS: &str = "lane, position, sku, location, type, reason, reference_type, reference_id, \
    reference_line, actor, correlation_id, occurred_at, recorded_at, on_hand, reserved, allocated, \
    incoming, waiting, on_hand_delta, reserved_delta, allocated_delta, incoming_delta, waiting_delta, \
    version, reservation, \
    transfer, coalesce(reservation_line, transfer_line) as line";

/// One change of stock.
#[derive(Debug, Serialize, ToSchema)]
pub struct Movement {
    /// The event's id.
    #[schema(value_type = String, example = "3-1042")]
    pub event: EventId,
    /// The event's position.
    #[schema(value_type = String, example = "3:1042")]
    pub position: PositionToken,
    /// The item.
    #[schema(value_type = String)]
    pub sku: Sku,
    /// The location.
    #[schema(value_type = String)]
    pub location: LocationCode,
    /// The event's type.
    #[serde(rename = "type")]
    pub event_type: String,
    /// The code of the reason.
    pub reason: Option<String>,
    /// The outside document behind the event.
    #[schema(value_type = Option<Object>)]
    pub reference: Option<Reference>,
    /// Who caused it, as an opaque id.
    pub actor: Option<String>,
    /// Shared by everything that belongs together.
    pub correlation_id: String,
    /// When it happened.
    #[schema(value_type = String, format = DateTime)]
    pub occurred_at: Timestamp,
    /// When it was recorded.
    #[schema(value_type = String, format = DateTime)]
    pub recorded_at: Timestamp,
    /// The figures before it.
    pub before: Amounts,
    /// The change.
    pub delta: Amounts,
    /// The figures after it.
    pub after: Amounts,
}

/// Figures, or differences of figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct Amounts {
    /// Physically there.
    pub on_hand: i128,
    /// Held for an owner until the hold ends.
    pub reserved: i128,
    /// Promised to confirmed reservations.
    pub allocated: i128,
    /// on_hand − reserved − allocated.
    pub available: i128,
    /// On its way here by transfers.
    pub incoming: i128,
    /// Asked for by those who wait for it.
    pub waiting: i128,
}

/// The columns of figures.
pub(super) const FIGURES: [&str; 5] = Figures::NAMES;

impl Amounts {
    fn new([on_hand, reserved, allocated, incoming, waiting]: [i128; 5]) -> Self {
        let available = on_hand - reserved - allocated;
        Self { on_hand, reserved, allocated, available, incoming, waiting }
    }

    pub(super) fn of(row: &PgRow, columns: [&str; 5]) -> sqlx::Result<Self> {
        let mut amounts = [0; 5];
        for (amount, column) in amounts.iter_mut().zip(columns) {
            *amount = row.try_get::<Sum, _>(column)?.into();
        }
        Ok(Self::new(amounts))
    }

    fn minus(self, delta: Self) -> Self {
        Self::new([
            self.on_hand - delta.on_hand,
            self.reserved - delta.reserved,
            self.allocated - delta.allocated,
            self.incoming - delta.incoming,
            self.waiting - delta.waiting,
        ])
    }
}

impl FromRow<'_, PgRow> for Movement {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let after = Amounts::of(row, FIGURES)?;
        let delta = [
            "on_hand_delta",
            "reserved_delta",
            "allocated_delta",
            "incoming_delta",
            "waiting_delta",
        ];
        let delta = Amounts::of(row, delta)?;
        let invalid = |error: ValueError| sqlx::Error::Decode(error.into());
        let event: EventId = LanePosition::from_row(row)?.into();
        Ok(Self {
            event,
            position: [(event.0, event.1)].into_iter().collect(),
            sku: parsed(row.try_get("sku")?)?,
            location: parsed(row.try_get("location")?)?,
            event_type: row.try_get("type")?,
            reason: row.try_get("reason")?,
            reference: ReferenceColumns::from_row(row)?.try_into().map_err(invalid)?,
            actor: row.try_get("actor")?,
            correlation_id: row.try_get("correlation_id")?,
            occurred_at: row.try_get("occurred_at").map(Timestamp::new)?,
            recorded_at: row.try_get("recorded_at").map(Timestamp::new)?,
            before: after.minus(delta),
            delta,
            after,
        })
    }
}

/// Also the key of a [`Step`](super::explain::Step).
#[derive(Debug, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MovementKey {
    pub recorded_at: Timestamp,
    pub lane: Lane,
    pub position: Position,
}

impl ListRow for Movement {
    const LIST: &'static str = "movement";
    const ORDER: &'static str = "recorded_at desc, lane desc, position desc";
    type Key = MovementKey;

    fn key(&self) -> MovementKey {
        let EventId(lane, position) = self.event;
        MovementKey { recorded_at: self.recorded_at, lane, position }
    }

    /// A movement never changes.
    fn version(&self) -> i64 {
        1
    }
}

/// The filters of a list of movements.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct MovementFilter {
    /// Only movements of this item.
    #[param(value_type = Option<String>)]
    sku: Option<Sku>,
    /// Only movements at this location.
    #[param(value_type = Option<String>)]
    location: Option<LocationCode>,
    /// Only events of this type, such as StockReceived.
    #[serde(rename = "type")]
    #[param(value_type = Option<String>)]
    event_type: Option<EventType>,
    /// Only movements for this reason.
    #[param(value_type = Option<String>)]
    reason: Option<Code>,
    /// Only movements for this document, as type/id.
    #[param(value_type = Option<String>)]
    reference: Option<DocumentId>,
    /// Only movements that this actor caused.
    #[param(value_type = Option<String>)]
    actor: Option<Label>,
    /// Only movements with this correlation id.
    #[param(value_type = Option<String>)]
    correlation_id: Option<Label>,
    /// Which time of a movement `from` and `to` are compared with: `recorded_at`, the default, or, for the
    /// movements of one item, `occurred_at`.
    #[param(value_type = Option<String>)]
    by: Option<ComparedTime>,
    /// Only movements at this time or later.
    #[param(value_type = Option<String>)]
    from: Option<Timestamp>,
    /// Only movements before this time.
    #[param(value_type = Option<String>)]
    to: Option<Timestamp>,
}

/// A time of a movement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ComparedTime {
    RecordedAt,
    OccurredAt,
}

/// The name of a type of event.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct EventType(String);

impl TryFrom<String> for EventType {
    type Error = &'static str;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        let is_known = Event::TYPES.iter().any(|(known, _)| *known == name);
        if is_known {
            Ok(Self(name))
        } else {
            Err("must be a type of event, such as StockReceived")
        }
    }
}

/// Changes of stock, newest first.
#[utoipa::path(
    get, path = "/v1/movements",
    params(MovementFilter, PageParameters, ReadParameters),
    responses((status = 200, body = Page<Movement>), PageResponses),
)]
pub async fn list_movements(
    State(service): State<Service>,
    ReadRequest { parameters: (filter, page), options }: ReadRequest<(
        MovementFilter,
        PageParameters,
    )>,
) -> Result<Response, Problem> {
    filter.location.iter().try_for_each(|location| options.require(location))?;
    let after = page.after::<Movement>()?;
    let locations = options.locations();
    let lane = match &filter.sku {
        Some(sku) => Some(service.lane_map()?.lane_of_item(sku)),
        // Those of all items have no order by when they happened, in which a page would be found.
        None if filter.is_by_occurrence() => {
            return Err(Problem::invalid_parameter("by", "occurred_at needs a sku"));
        }
        None => None,
    };
    let statement = || match filter.sku.as_ref().zip(lane) {
        Some((sku, lane)) => {
            of_item(sku, filter.location.as_ref(), locations, page.limit(), |query| {
                filter.push_places(query, lane);
                // Types and reasons have many more movements than a pair: `|| ''` keeps their indexes out.
                filter.push(query, "type || ''", "reason || ''", after.as_ref());
                query.filter(" and position < ", after.as_ref().map(|key| key.position.0));
            })
        }
        None => of_all(&filter, locations, page.limit(), after.as_ref()),
    };
    options.page::<Movement>(&service, page.limit(), statement).await
}

impl MovementFilter {
    /// Adds all conditions but those on the sku and the location.
    fn push(
        &self,
        query: &mut PageQuery,
        event_type: &str,
        reason: &str,
        after: Option<&MovementKey>,
    ) {
        let type_name = self.event_type.as_ref().map(|EventType(name)| name.as_str());
        query.filter(&format!(" and {event_type} = "), type_name);
        query.filter(&format!(" and {reason} = "), self.reason.as_ref().map(Code::as_str));
        query.filter(
            &format!(" and {} = ", DocumentId::COLUMNS),
            self.reference.as_ref().map(DocumentId::as_str),
        );
        query.filter(" and actor = ", self.actor.as_ref().map(Label::as_str));
        query.filter(" and correlation_id = ", self.correlation_id.as_ref().map(Label::as_str));
        let time = if self.is_by_occurrence() { "occurred_at" } else { "recorded_at" };
        query.filter(&format!(" and {time} >= "), self.from.map(Timestamp::to_utc));
        query.filter(&format!(" and {time} < "), self.to.map(Timestamp::to_utc));
        if let Some(MovementKey { recorded_at, lane, position }) = after {
            query.push(" and (recorded_at, lane, position) < (").bind(recorded_at.to_utc());
            query.push(", ").bind(i16::from(*lane));
            query.push(", ").bind(position.0).push(")");
        }
    }

    /// Adds the positions between which the movements are, by when they were recorded: along the positions of a pair,
    /// everything newer would be read and left out.
    fn push_places(&self, query: &mut PageQuery, lane: Lane) {
        if self.is_by_occurrence() {
            return;
        }
        for (condition, moment) in [("> ", self.from), ("<= ", self.to)] {
            if let Some(moment) = moment {
                query.push(" and position ").push(condition);
                query.push("(select position_before(").bind(i16::from(lane));
                query.push(", ").bind(moment.to_utc()).push("))");
            }
        }
    }

    fn is_by_occurrence(&self) -> bool {
        self.by == Some(ComparedTime::OccurredAt)
    }

    /// Whether movements are found by a value, which has an index.
    fn has_value(&self) -> bool {
        self.location.is_some()
            || self.event_type.is_some()
            || self.reason.is_some()
            || self.reference.is_some()
            || self.actor.is_some()
            || self.correlation_id.is_some()
    }
}

/// The movements of all items.
///
/// A filter on a value has to use that value's index: along the index by time, a value that is frequent
/// but not recent would be searched for among everything newer. The index by time is made for
/// `position > 0`, so only a page without such a filter can use it.
fn of_all(
    filter: &MovementFilter,
    locations: &Locations,
    limit: i64,
    after: Option<&MovementKey>,
) -> PageQuery {
    let mut query =
        PageQuery::new(&format!("with page as not materialized (select {COLUMNS} from movements"));
    query.push(if filter.has_value() { " where true" } else { " where position > 0" });
    query.filter(" and location = ", filter.location.as_ref().map(LocationCode::as_str));
    query.at("location", locations);
    filter.push(&mut query, "type", "reason", after);
    query.order_by(Movement::ORDER, limit + 1);
    query
}

/// The movements of one item, at one location or at all, newest first.
///
/// An item is in one lane, where the position alone is the order. So the page is among the first rows of
/// each pair, which the index of pairs finds.
pub(super) fn of_item(
    sku: &Sku,
    location: Option<&LocationCode>,
    locations: &Locations,
    limit: i64,
    conditions: impl FnOnce(&mut PageQuery),
) -> PageQuery {
    let mut query = PageQuery::new(&format!(
        "with page as not materialized (\
             select one.* from stock_levels as level cross join lateral (\
                 select {COLUMNS} from movements \
                 where movements.sku = level.sku and movements.location = level.location"
    ));
    conditions(&mut query);
    query.order_by("position desc", limit + 1);
    query.push(") as one where level.sku = ").bind(sku.as_str());
    query.filter(" and level.location = ", location.map(LocationCode::as_str));
    query.at("level.location", locations);
    query.order_by("one.position desc", limit + 1);
    query
}
