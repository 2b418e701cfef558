//! What is held for whom, and what became of it.

use axum::extract::{Path, State};
use axum::response::Response;
use serde::de::IntoDeserializer;
use serde::{Deserialize, Serialize};
use shared_events::event::Reference;
use shared_events::lane::PositionToken;
use shared_events::reservation::ReservationStatus;
use shared_events::stream::Stream;
use shared_events::time::Timestamp;
use shared_events::values::{Label, LocationCode, ReservationId, Sku};
use sqlx::Row;
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use utoipa::ToSchema;

use crate::database;
use crate::http::Service;
use crate::http::answer::place;
use crate::http::filtered::Filtered;
use crate::http::page::{self, Cursor, Page};
use crate::http::parameters::{Parameters, invalid};
use crate::http::problem::Problem;
use crate::http::queries::{found, lane, reference, stored, take_reference};
use crate::http::request::Request;
use crate::http::wait::{Found, FreshnessParameters, Reflecting};

/// A page ends with the reservation that brings it to so many lines, as many as one may have.
const PAGE_LINES: i64 = 5_000;

/// A reservation, as it stands after its last step.
#[derive(Debug, Serialize, ToSchema)]
pub struct Reservation {
    /// Its id.
    #[schema(value_type = String, example = "117-019a9f3c-5a3e-7cc1-8a05-0242ac120002")]
    pub id: ReservationId,
    /// For whom, as an opaque id.
    pub owner: String,
    /// held, confirmed, fulfilled, released, expired or cancelled. A hold past its end is held until
    /// its expiry is recorded.
    #[schema(value_type = String, example = "held")]
    pub status: ReservationStatus,
    /// When the hold ends, or ended. A reservation that was confirmed in time does not end.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
    /// The outside document, such as the cart or the order.
    #[schema(value_type = Option<Object>)]
    pub reference: Option<Reference>,
    /// What it is of.
    pub lines: Vec<ReservationLine>,
    /// How many steps it has taken.
    pub version: i64,
    /// The position of the last of them.
    #[schema(value_type = String, example = "3:1042")]
    pub position: PositionToken,
    /// When that was recorded.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
    /// When the first of them was recorded: its place in lists.
    #[serde(skip)]
    made_at: Timestamp,
}

/// One line of a reservation.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ReservationLine {
    /// Its number, from 1.
    pub line: u32,
    /// The item.
    #[schema(value_type = String)]
    pub sku: Sku,
    /// Where.
    #[schema(value_type = String)]
    pub location: LocationCode,
    /// What was asked for.
    pub requested: i64,
    /// What was held; less than asked for only by a partial reservation.
    pub quantity: i64,
    /// What of it was given back: released, cancelled or expired.
    pub released: i64,
    /// What of it left the stock.
    pub fulfilled: i64,
    /// What of the fulfilled part came back.
    pub returned: i64,
}

/// One reservation.
#[utoipa::path(
    get,
    path = "/v1/reservations/{id}",
    params(
        ("id" = String, Path),
        FreshnessParameters,
    ),
    responses(
        (status = 200, body = Reservation), (status = 304),
        (status = 404, description = "unknown_reservation"),
        (status = 422, description = "invalid_parameter, invalid_position"),
        (status = 503, description = "not_yet_applied, projection_unavailable"),
    )
)]
pub async fn get_reservation(
    State(service): State<Service>,
    Path(id_text): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let terms = request.finish()?;
    let id = id_text.parse().map_err(|_| Problem::UnknownReservation(id_text))?;
    terms.one(&service, || read_reservation(&service, &id), |one| one.version).await
}

async fn read_reservation(
    service: &Service,
    id: &ReservationId,
) -> Result<Found<Reservation>, Problem> {
    let lane = service.lane_map()?.lane_of(&Stream::Reservation(id.clone()));
    let row = sqlx::query(include_str!("../../../queries/get_reservation.sql"))
        .bind(service.projection.version())
        .bind(database::lane_column(lane))
        .bind(id.as_str())
        .fetch_one(&service.pool)
        .await?;
    Ok(found(&row, reservation, Problem::UnknownReservation(id.to_string()))?)
}

/// Reservations, newest first.
#[utoipa::path(
    get,
    path = "/v1/reservations",
    params(
        ("owner" = Option<String>, Query, description = "only for this owner"),
        ("reference" = Option<String>, Query, description = "only this document, type/id"),
        ("status" = Option<String>, Query, description = "only held, confirmed, fulfilled, released, expired or cancelled ones"),
        ("cursor" = Option<String>, Query, description = "the next_cursor of the page before"),
        ("limit" = Option<i64>, Query, description = "1 to 200, 50 by default; a page ends before that when it comes to 5,000 lines"),
        FreshnessParameters,
    ),
    responses(
        (status = 200, body = Page<Reservation>), (status = 304),
        (status = 422, description = "invalid_parameter, invalid_cursor, invalid_position"),
        (status = 503, description = "not_yet_applied, projection_unavailable"),
    )
)]
pub async fn list_reservations(
    State(service): State<Service>,
    mut request: Request,
) -> Result<Response, Problem> {
    let filter = Filter::take(&mut request.parameters)?;
    let terms = request.finish()?;
    let read = || read_reservations(&service, &filter);
    terms.page(&service, read, |one| (one.id.clone(), one.version)).await
}

/// Which reservations a list holds.
struct Filter {
    owner: Option<Label>,
    reference: Option<(Label, Label)>,
    status: Option<ReservationStatus>,
    after: Option<(Timestamp, ReservationId)>,
    limit: i64,
}

impl Filter {
    fn take(parameters: &mut Parameters) -> Result<Self, Problem> {
        Ok(Self {
            owner: parameters.take("owner")?,
            reference: take_reference(parameters)?,
            status: take_status(parameters)?,
            after: Cursor::take(parameters, |cursor| match cursor {
                Cursor::Reservation { made_at, id } => Some((made_at, id)),
                _ => None,
            })?,
            limit: page::take_limit(parameters)?,
        })
    }
}

fn take_status(parameters: &mut Parameters) -> Result<Option<ReservationStatus>, Problem> {
    let Some(text) = parameters.take_text("status") else {
        return Ok(None);
    };
    let expected = "held, confirmed, fulfilled, released, expired or cancelled";
    status(&text).map(Some).map_err(|_| invalid("status", expected))
}

fn status(text: &str) -> Result<ReservationStatus, serde::de::value::Error> {
    ReservationStatus::deserialize(text.into_deserializer())
}

async fn read_reservations(
    service: &Service,
    filter: &Filter,
) -> Result<Reflecting<Page<Reservation>>, Problem> {
    let reference = filter.reference.as_ref();
    let after = filter.after.as_ref();
    let rows = Filtered::new(include_str!("../../../queries/list_reservations.sql"))
        .bind(service.projection.version())
        .filter(filter.owner.as_ref().map(Label::as_str))
        .filter(reference.map(|(kind, _)| kind.as_str()))
        .filter(reference.map(|(_, id)| id.as_str()))
        .filter(filter.status.map(ReservationStatus::as_str))
        .filter(after.map(|(made_at, _)| made_at.to_utc()))
        .filter(after.map(|(_, id)| id.as_str()))
        .limit(filter.limit)
        .limit(PAGE_LINES)
        .fetch_all(&service.pool)
        .await?;
    page::of_ended_rows(&rows, reservation, |one| Cursor::Reservation {
        made_at: one.made_at,
        id: one.id.clone(),
    })
}

fn reservation(row: &PgRow) -> sqlx::Result<Reservation> {
    let status =
        status(row.try_get("status")?).map_err(|error| sqlx::Error::Decode(error.into()))?;
    Ok(Reservation {
        id: stored(row.try_get("id")?)?,
        owner: row.try_get("owner")?,
        status,
        expires_at: row.try_get("expires_at").map(Timestamp::new)?,
        reference: reference(row)?,
        lines: row.try_get::<Json<_>, _>("lines")?.0,
        version: row.try_get("version")?,
        position: place(lane(row)?, row.try_get("position")?),
        updated_at: row.try_get("updated_at").map(Timestamp::new)?,
        made_at: row.try_get("made_at").map(Timestamp::new)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_reads_back_from_its_word_and_no_other_word_is_one() {
        use ReservationStatus::{Cancelled, Confirmed, Expired, Fulfilled, Held, Released};
        for one in [Held, Confirmed, Fulfilled, Released, Expired, Cancelled] {
            assert_eq!(status(one.as_str()), Ok(one));
        }
        for bad in ["", "Held", "lost"] {
            assert!(status(bad).is_err(), "{bad}");
        }
    }
}
