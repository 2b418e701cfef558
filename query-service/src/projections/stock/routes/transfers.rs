//! Transfers: what is on its way, and what became of it.

use axum::extract::{Path, State};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use service_edge::sign_in::credential::Locations;
use shared_events::event::Reference;
use shared_events::lane::PositionToken;
use shared_events::stream::Stream;
use shared_events::time::Timestamp;
use shared_events::transfer::TransferStatus;
use shared_events::values::{LocationCode, Sku, TransferId};
use sqlx::FromRow;
use utoipa::{IntoParams, ToSchema};

use crate::http::Service;
use crate::http::page::{ListRow, MadeKey, Page, PageParameters, PageQuery, PageResponses};
use crate::http::problem::Problem;
use crate::http::request::{Placed, ReadParameters, ReadRequest, ReadResponses};
use crate::http::rows::{LanePosition, NullableTime, ReferenceColumns, Text, Time, read_one};
use crate::http::subject::DocumentId;
use crate::http::wait::{AsOf, Lookup};

/// A transfer, as it stands after its last step.
#[derive(Debug, Serialize, ToSchema, FromRow)]
pub struct Transfer {
    /// The transfer's id.
    #[schema(value_type = String, example = "117-019a9f3c-5a3e-7cc1-8a05-0242ac120002")]
    #[sqlx(try_from = "Text")]
    pub id: TransferId,
    /// in_transit, partially_received, received, closed or returned.
    #[schema(value_type = String, example = "in_transit")]
    #[sqlx(try_from = "Text")]
    pub status: TransferStatus,
    /// When all of it should be there, if that was said.
    #[schema(value_type = Option<String>, format = DateTime)]
    #[sqlx(try_from = "NullableTime")]
    pub expected_at: Option<Timestamp>,
    /// Whether it was not done by then; it stays so.
    pub overdue: bool,
    /// The outside document, such as the delivery note.
    #[schema(value_type = Option<Object>)]
    #[sqlx(flatten, try_from = "ReferenceColumns")]
    pub reference: Option<Reference>,
    /// The lines of the transfer.
    #[sqlx(json)]
    pub lines: Vec<TransferLine>,
    /// How many steps the transfer has taken.
    pub version: i64,
    /// The position of the last of them.
    #[schema(value_type = String, example = "3:1042")]
    #[sqlx(flatten, try_from = "LanePosition")]
    pub position: PositionToken,
    /// When that was recorded.
    #[schema(value_type = String, format = DateTime)]
    #[sqlx(try_from = "Time")]
    pub updated_at: Timestamp,
    /// When it was dispatched, which lists are ordered by.
    #[serde(skip)]
    #[sqlx(try_from = "Time")]
    made_at: Timestamp,
}

impl ListRow for Transfer {
    const LIST: &'static str = "transfer";
    const ORDER: &'static str = "made_at desc, id desc";
    type Key = MadeKey<TransferId>;

    fn key(&self) -> MadeKey<TransferId> {
        MadeKey { made_at: self.made_at, id: self.id.clone() }
    }

    fn version(&self) -> i64 {
        self.version
    }
}

impl Placed for Transfer {
    fn locations(&self) -> impl Iterator<Item = &LocationCode> {
        self.lines.iter().flat_map(|line| [&line.from, &line.to])
    }
}

/// One line of a transfer. What is neither received nor lost nor returned is on its way.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct TransferLine {
    /// The number of the line, from 1.
    pub line: u32,
    /// The item.
    #[schema(value_type = String)]
    pub sku: Sku,
    /// The location it leaves.
    #[schema(value_type = String)]
    pub from: LocationCode,
    /// The location it goes to.
    #[schema(value_type = String)]
    pub to: LocationCode,
    /// The quantity that left.
    pub quantity: i64,
    /// The part that came in.
    pub received: i64,
    /// The part that was given up.
    pub lost: i64,
    /// The part that went back.
    pub returned: i64,
}

/// One transfer.
#[utoipa::path(
    get, path = "/v1/transfers/{id}",
    params(("id" = String, Path), ReadParameters),
    responses(
        (status = 200, body = Transfer),
        (status = 404, description = "unknown_transfer"),
        ReadResponses,
    )
)]
pub async fn get_transfer(
    State(service): State<Service>,
    Path(id_text): Path<String>,
    ReadRequest { options, .. }: ReadRequest<()>,
) -> Result<Response, Problem> {
    let id = id_text.parse().map_err(|_| Problem::unknown_transfer(id_text))?;
    options.own(&service, || read_transfer(&service, &id), |one| one.version).await
}

async fn read_transfer(service: &Service, id: &TransferId) -> Result<Lookup<Transfer>, Problem> {
    let lane = service.lane_map()?.lane_of(&Stream::Transfer(id.clone()));
    let statement = include_str!("../get_transfer.sql");
    read_one(service, statement, lane, id.as_str(), Problem::unknown_transfer).await
}

/// The filters of a list of transfers.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct TransferFilter {
    /// Only in_transit, partially_received, received, closed or returned transfers.
    #[param(value_type = Option<String>)]
    status: Option<TransferStatus>,
    /// Only transfers with a line that leaves this location.
    #[param(value_type = Option<String>)]
    from: Option<LocationCode>,
    /// Only transfers with a line that goes to this location.
    #[param(value_type = Option<String>)]
    to: Option<LocationCode>,
    /// true: only transfers that were not done when they were expected; false: only others.
    #[param(value_type = Option<bool>)]
    overdue: Option<Overdue>,
    /// Only transfers for this document, as type/id.
    #[param(value_type = Option<String>)]
    reference: Option<DocumentId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Overdue {
    True,
    False,
}

/// Transfers, newest first. A page that comes to 5,000 lines ends before its limit.
#[utoipa::path(
    get, path = "/v1/transfers",
    params(TransferFilter, PageParameters, ReadParameters),
    responses((status = 200, body = Page<Transfer>), PageResponses),
)]
pub async fn list_transfers(
    State(service): State<Service>,
    ReadRequest { parameters: (filter, page), options }: ReadRequest<(
        TransferFilter,
        PageParameters,
    )>,
) -> Result<Response, Problem> {
    let named = filter.from.iter().chain(&filter.to);
    named.clone().try_for_each(|location| options.require(location))?;
    let after = page.after::<Transfer>()?;
    let locations = options.locations();
    let read = || read_transfers(&service, &filter, locations, after.as_ref(), page.limit());
    options.list(&service, read).await
}

/// One page, bounded as [`PageQuery::fetch_with_lines`] says.
async fn read_transfers(
    service: &Service,
    filter: &TransferFilter,
    locations: &Locations,
    after: Option<&MadeKey<TransferId>>,
    limit: i64,
) -> Result<AsOf<Page<Transfer>>, Problem> {
    let columns = "lane, position, id, status, expected_at, overdue, reference_type, \
                   reference_id, reference_line, lines, made_at, version, updated_at";
    filter.statement(locations, after, limit).fetch_with_lines(service, columns, limit).await
}

impl TransferFilter {
    /// Finds the transfers of a page, and one more. With a location it goes along the index of places,
    /// which has the same order as the list.
    fn statement(
        &self,
        locations: &Locations,
        after: Option<&MadeKey<TransferId>>,
        limit: i64,
    ) -> PageQuery {
        let Self { status, from, to, overdue, reference } = self;
        let mut query = PageQuery::new("with found as (select transfers.* from transfers");
        let ordered = match (from, to) {
            (None, None) => "transfers",
            _ => "place",
        };
        if ordered == "place" {
            query.push(" join transfer_places place on place.id = transfers.id");
        }
        query.push(" where true");
        // One location leads, the other is looked up.
        match (from, to) {
            (Some(from), other) => {
                query.push(" and place.leaves and place.location = ").bind(from.as_str());
                if let Some(to) = other {
                    query.push(
                        " and exists (select from transfer_places other \
                         where other.id = place.id and not other.leaves and other.location = ",
                    );
                    query.bind(to.as_str()).push(")");
                }
            }
            (None, Some(to)) => {
                query.push(" and not place.leaves and place.location = ").bind(to.as_str());
            }
            (None, None) => {}
        }
        query.filter(" and transfers.status = ", status.map(TransferStatus::as_str));
        query.filter(" and transfers.overdue = ", overdue.map(|asked| asked == Overdue::True));
        let document = format!(" and {} = ", DocumentId::COLUMNS);
        query.filter(&document, reference.as_ref().map(DocumentId::as_str));
        query.after_made(ordered, after);
        query.within("transfers.lines", &["from", "to"], locations);
        query.order_by(&format!("{ordered}.made_at desc, {ordered}.id desc"), limit + 1);
        query
    }
}
