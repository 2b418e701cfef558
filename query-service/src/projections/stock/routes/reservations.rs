//! Reservations: what is held for whom, and what became of it.

use std::collections::BTreeMap;

use axum::extract::{Path, State};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use service_edge::sign_in::credential::Locations;
use shared_events::event::Reference;
use shared_events::lane::PositionToken;
use shared_events::reservation::ReservationStatus;
use shared_events::stream::Stream;
use shared_events::time::Timestamp;
use shared_events::values::{Label, LocationCode, ReservationId, Sku};
use sqlx::FromRow;
use utoipa::{IntoParams, ToSchema};

use crate::http::Service;
use crate::http::page::{ListRow, MadeKey, Page, PageParameters, PageQuery, PageResponses};
use crate::http::problem::Problem;
use crate::http::request::{Placed, ReadParameters, ReadRequest, ReadResponses};
use crate::http::rows::{LanePosition, NullableTime, ReferenceColumns, Text, Time, read_one};
use crate::http::subject::DocumentId;
use crate::http::wait::{AsOf, Lookup};
use crate::projections::stock::routes::waitlist::RANKED;

/// A reservation, as it stands after its last step.
#[derive(Debug, Serialize, ToSchema, FromRow)]
pub struct Reservation {
    /// The reservation's id.
    #[schema(value_type = String, example = "117-019a9f3c-5a3e-7cc1-8a05-0242ac120002")]
    #[sqlx(try_from = "Text")]
    pub id: ReservationId,
    /// For whom the stock is held, as an opaque id.
    pub owner: String,
    /// waiting, held, confirmed, fulfilled, released, expired or cancelled. A hold past its end is held
    /// until its expiry is recorded, and what was filled is waiting until the reservation has followed,
    /// within a second.
    #[schema(value_type = String, example = "held")]
    #[sqlx(try_from = "Text")]
    pub status: ReservationStatus,
    /// When the hold ends, or ended; null while the reservation waits and once it was confirmed.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    #[sqlx(flatten, try_from = "ExpiryColumns")]
    pub expires_at: Option<Timestamp>,
    /// When it stops, or would have stopped, waiting; null if it never waited.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    #[sqlx(try_from = "NullableTime")]
    pub wait_until: Option<Timestamp>,
    /// The priority that it waits, or waited, with; null if it never waited.
    #[schema(required = true, minimum = 0, maximum = 9)]
    pub priority: Option<i16>,
    /// The outside document, such as the cart or the order.
    #[schema(value_type = Option<Object>)]
    #[sqlx(flatten, try_from = "ReferenceColumns")]
    pub reference: Option<Reference>,
    /// The lines of the reservation.
    #[sqlx(flatten, try_from = "LineColumns")]
    pub lines: Vec<ReservationLine>,
    /// How many steps the reservation has taken.
    pub version: i64,
    /// The position of the last of them.
    #[schema(value_type = String, example = "3:1042")]
    #[sqlx(flatten, try_from = "LanePosition")]
    pub position: PositionToken,
    /// When that was recorded.
    #[schema(value_type = String, format = DateTime)]
    #[sqlx(try_from = "Time")]
    pub updated_at: Timestamp,
    /// When the first of them was recorded, which lists are ordered by.
    #[serde(skip)]
    #[sqlx(try_from = "Time")]
    made_at: Timestamp,
}

/// The columns that say when a hold ends.
#[derive(Debug, FromRow)]
struct ExpiryColumns {
    #[sqlx(try_from = "Text")]
    status: ReservationStatus,
    #[sqlx(try_from = "Time")]
    expires_at: Timestamp,
}

impl From<ExpiryColumns> for Option<Timestamp> {
    fn from(columns: ExpiryColumns) -> Self {
        columns.status.has_expiry().then_some(columns.expires_at)
    }
}

/// The lines, and the places of those that wait.
#[derive(Debug, FromRow)]
struct LineColumns {
    #[sqlx(json)]
    lines: Vec<ReservationLine>,
    #[sqlx(json(nullable))]
    places: Option<BTreeMap<u32, i64>>,
}

impl From<LineColumns> for Vec<ReservationLine> {
    fn from(LineColumns { mut lines, places }: LineColumns) -> Self {
        for line in &mut lines {
            line.place = places.as_ref().and_then(|places| places.get(&line.line).copied());
        }
        lines
    }
}

impl ListRow for Reservation {
    const LIST: &'static str = "reservation";
    const ORDER: &'static str = "made_at desc, id desc";
    type Key = MadeKey<ReservationId>;

    fn key(&self) -> MadeKey<ReservationId> {
        MadeKey { made_at: self.made_at, id: self.id.clone() }
    }

    /// Its places change with others' events, so they count too.
    fn version(&self) -> i64 {
        let places = self.lines.iter().filter_map(|line| line.place);
        places.fold(self.version, |tag, place| tag.wrapping_mul(1 << 20).wrapping_add(place))
    }
}

impl Placed for Reservation {
    fn locations(&self) -> impl Iterator<Item = &LocationCode> {
        self.lines.iter().map(|line| &line.location)
    }
}

/// One line of a reservation.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ReservationLine {
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
    /// The quantity that was held; less than asked for only in a partial reservation, or in one that
    /// waits or waited.
    pub quantity: i64,
    /// The quantity that waits for stock, as far as the reservation knows.
    #[serde(default)]
    pub waiting: i64,
    /// The place in the queue of this stock, from 1; null if nothing waits there.
    #[serde(default)]
    #[schema(required = true)]
    pub place: Option<i64>,
    /// The part that was released, cancelled or expired.
    pub released: i64,
    /// The part that left the stock.
    pub fulfilled: i64,
    /// The part that left the stock and came back.
    pub returned: i64,
}

/// One reservation.
#[utoipa::path(
    get, path = "/v1/reservations/{id}",
    params(("id" = String, Path), ReadParameters),
    responses(
        (status = 200, body = Reservation),
        (status = 404, description = "unknown_reservation"),
        ReadResponses,
    )
)]
pub async fn get_reservation(
    State(service): State<Service>,
    Path(id_text): Path<String>,
    ReadRequest { options, .. }: ReadRequest<()>,
) -> Result<Response, Problem> {
    let id = id_text.parse().map_err(|_| Problem::unknown_reservation(id_text))?;
    options.own(&service, || read_reservation(&service, &id), ListRow::version).await
}

async fn read_reservation(
    service: &Service,
    id: &ReservationId,
) -> Result<Lookup<Reservation>, Problem> {
    let lane = service.lane_map()?.lane_of(&Stream::Reservation(id.clone()));
    let statement = include_str!("../get_reservation.sql");
    read_one(service, statement, lane, id.as_str(), Problem::unknown_reservation).await
}

/// The filters of a list of reservations.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ReservationFilter {
    /// Only reservations of this owner.
    #[param(value_type = Option<String>)]
    owner: Option<Label>,
    /// Only reservations for this document, as type/id.
    #[param(value_type = Option<String>)]
    reference: Option<DocumentId>,
    /// Only waiting, held, confirmed, fulfilled, released, expired or cancelled reservations.
    #[param(value_type = Option<String>)]
    status: Option<ReservationStatus>,
}

/// Reservations, newest first. A page that comes to 5,000 lines ends before its limit.
#[utoipa::path(
    get, path = "/v1/reservations",
    params(ReservationFilter, PageParameters, ReadParameters),
    responses((status = 200, body = Page<Reservation>), PageResponses),
)]
pub async fn list_reservations(
    State(service): State<Service>,
    ReadRequest { parameters: (filter, page), options }: ReadRequest<(
        ReservationFilter,
        PageParameters,
    )>,
) -> Result<Response, Problem> {
    let after = page.after::<Reservation>()?;
    let locations = options.locations();
    let read = || read_reservations(&service, &filter, locations, after.as_ref(), page.limit());
    options.list(&service, read).await
}

/// One page, bounded as [`PageQuery::fetch_with_lines`] says.
async fn read_reservations(
    service: &Service,
    filter: &ReservationFilter,
    locations: &Locations,
    after: Option<&MadeKey<ReservationId>>,
    limit: i64,
) -> Result<AsOf<Page<Reservation>>, Problem> {
    let mut query =
        PageQuery::new("with listed as materialized (select * from reservations where true");
    query.filter(" and owner = ", filter.owner.as_ref().map(Label::as_str));
    query.filter(
        &format!(" and {} = ", DocumentId::COLUMNS),
        filter.reference.as_ref().map(DocumentId::as_str),
    );
    query.filter(" and status = ", filter.status.map(ReservationStatus::as_str));
    query.after_made("reservations", after);
    query.within("lines", &["location"], locations);
    query.order_by(Reservation::ORDER, limit + 1);
    // The places up to the last row of a listed reservation in each queue.
    query.push(
        "), ends as (\
             select distinct on (queue.sku, queue.location) \
                 queue.sku, queue.location, queue.turn, queue.since \
             from listed join waitlist as queue on queue.reservation = listed.id \
             order by queue.sku, queue.location, queue.turn desc, queue.since desc\
         ), ",
    );
    query.push(RANKED).push(
        ", places as materialized (\
             select reservation, json_object_agg(line, place) as places from ranked \
             where reservation = any(array(select id from listed)) group by reservation\
         ), found as (\
             select listed.*, places.places from listed \
             left join places on places.reservation = listed.id",
    );
    let columns = "lane, position, id, owner, status, expires_at, wait_until, priority, \
                   reference_type, reference_id, reference_line, lines, made_at, version, updated_at, \
                   places";
    query.fetch_with_lines(service, columns, limit).await
}
