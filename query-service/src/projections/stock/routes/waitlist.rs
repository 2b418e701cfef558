//! The waitlist: who waits for which stock, in the order in which it is filled.

use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use service_edge::sign_in::credential::Locations;
use shared_events::lane::PositionToken;
use shared_events::time::Timestamp;
use shared_events::values::{Label, LocationCode, ReservationId, Sku};
use sqlx::FromRow;
use utoipa::{IntoParams, ToSchema};

use crate::http::Service;
use crate::http::page::{ListRow, Page, PageParameters, PageQuery, PageResponses};
use crate::http::problem::Problem;
use crate::http::request::{ReadParameters, ReadRequest};
use crate::http::rows::{LanePosition, Text, Time};

/// A line of a reservation that waits for stock.
#[derive(Debug, Serialize, ToSchema, FromRow)]
#[schema(as = WaitingLine)]
pub struct Waiter {
    /// The reservation's id.
    #[schema(value_type = String, example = "117-019a9f3c-5a3e-7cc1-8a05-0242ac120002")]
    #[sqlx(try_from = "Text")]
    pub reservation: ReservationId,
    /// The line of the reservation, from 1.
    pub line: i64,
    /// For whom, as an opaque id.
    pub owner: String,
    /// The item.
    #[schema(value_type = String)]
    #[sqlx(try_from = "Text")]
    pub sku: Sku,
    /// The location.
    #[schema(value_type = String)]
    #[sqlx(try_from = "Text")]
    pub location: LocationCode,
    /// 0 to 9; the higher is filled first.
    pub priority: i16,
    /// The quantity that waits.
    pub waiting: i64,
    /// The place in the queue of this stock, from 1.
    pub place: i64,
    /// When it began to wait.
    #[schema(value_type = String, format = DateTime)]
    #[sqlx(rename = "since_at", try_from = "Time")]
    pub since: Timestamp,
    /// When it stops waiting.
    #[schema(value_type = String, format = DateTime)]
    #[sqlx(try_from = "Time")]
    pub wait_until: Timestamp,
    /// The position of the last event about it.
    #[schema(value_type = String, example = "3:1042")]
    #[sqlx(flatten, try_from = "LanePosition")]
    pub position: PositionToken,
    #[serde(skip)]
    version: i64,
    #[serde(skip)]
    turn: i16,
    #[serde(skip)]
    #[sqlx(rename = "since")]
    since_position: i64,
}

#[derive(Debug, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WaiterKey {
    sku: Sku,
    location: LocationCode,
    turn: i16,
    since: i64,
}

impl ListRow for Waiter {
    const LIST: &'static str = "waiter";
    const ORDER: &'static str = "sku, location, turn, since";
    type Key = WaiterKey;

    fn key(&self) -> WaiterKey {
        let (sku, location) = (self.sku.clone(), self.location.clone());
        WaiterKey { sku, location, turn: self.turn, since: self.since_position }
    }

    /// Its place changes with others' events, so it counts too.
    fn version(&self) -> i64 {
        self.version.wrapping_mul(1 << 20).wrapping_add(self.place)
    }
}

/// The filters of the waitlist.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct WaitlistFilter {
    /// Only those who wait for this item.
    #[param(value_type = Option<String>)]
    sku: Option<Sku>,
    /// Only those who wait at this location.
    #[param(value_type = Option<String>)]
    location: Option<LocationCode>,
    /// Only what this owner waits for.
    #[param(value_type = Option<String>)]
    owner: Option<Label>,
}

/// Who waits, by sku, location and then in the order of the queue.
#[utoipa::path(
    get, path = "/v1/waitlist",
    params(WaitlistFilter, PageParameters, ReadParameters),
    responses((status = 200, body = Page<Waiter>), PageResponses),
)]
pub async fn list_waiters(
    State(service): State<Service>,
    ReadRequest { parameters: (filter, page), options }: ReadRequest<(
        WaitlistFilter,
        PageParameters,
    )>,
) -> Result<Response, Problem> {
    let after = page.after::<Waiter>()?;
    filter.location.iter().try_for_each(|location| options.require(location))?;
    let locations = options.locations();
    let statement = || filter.statement(locations, after.as_ref(), page.limit());
    options.page::<Waiter>(&service, page.limit(), statement).await
}

/// The places in each queue that has a row in `ends`, up to that row: one pass over each queue.
pub(super) const RANKED: &str = "ranked as (\
         select queue.reservation, queue.line, queue.since, row_number() over (\
             partition by queue.sku, queue.location order by queue.turn, queue.since\
         ) as place \
         from ends \
         join waitlist as queue on queue.sku = ends.sku and queue.location = ends.location \
             and (queue.turn, queue.since) <= (ends.turn, ends.since)\
     )";

impl WaitlistFilter {
    fn statement(&self, locations: &Locations, after: Option<&WaiterKey>, limit: i64) -> PageQuery {
        let mut query = PageQuery::new(
            "with found as materialized (\
                 select lane, position, reservation, line, owner, sku, location, \
                     (9 - turn)::smallint as priority, waiting, since, since_at, wait_until, turn, \
                     version \
                 from waitlist where true",
        );
        query.filter(" and sku = ", self.sku.as_ref().map(Sku::as_str));
        query.filter(" and location = ", self.location.as_ref().map(LocationCode::as_str));
        query.at("location", locations);
        query.filter(" and owner = ", self.owner.as_ref().map(Label::as_str));
        if let Some(WaiterKey { sku, location, turn, since }) = after {
            query.push(" and (sku, location, turn, since) > (").bind(sku.as_str());
            query.push(", ").bind(location.as_str());
            query.push(", ").bind(*turn).push(", ").bind(*since).push(")");
        }
        query.order_by(Waiter::ORDER, limit + 1);
        // The places up to the last row of the page in each queue. The array is looked up by hash; a
        // join, whose size Postgres cannot know, would compare each row with each.
        query.push(
            "), ends as (\
                 select distinct on (sku, location) sku, location, turn, since from found \
                 order by sku, location, turn desc, since desc\
             ), ",
        );
        query.push(RANKED).push(
            ", listed as materialized (\
                 select reservation, line, place from ranked \
                 where since = any(array(select since from found))\
             ), page as not materialized (\
                 select found.*, listed.place from found join listed using (reservation, line) \
                 order by sku, location, turn, since",
        );
        query
    }
}
