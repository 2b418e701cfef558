//! Reservations, from the hold to the return.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use serde_json::Value;
use shared_events::lane::Version;
use shared_events::reservation::Part;
use shared_events::slot::slot_of;
use shared_events::values::{Label, ReservationId};
use uuid::Uuid;

use super::stock::StockLine;
use super::{Command, NoPath};
use crate::http::AppState;
use crate::http::answer::{Recorded, Registered};
use crate::http::json::values::{LineNumber, Quantity, TtlSeconds, cause, words};
use crate::http::json::{InPath, InQuery, object};
use crate::http::openapi::CommandProblems;
use crate::http::problem::{Code, Problem};
use crate::http::request::{CommandHeaders, CommandPath, CommandQuery, Precondition};
use crate::inventory::{self, Policy, Step};

object! {
    /// A reservation's path.
    pub(crate) struct ReservationPath as "ReservationPath" {
        /// As it was answered when the reservation was made.
        id: ReservationId,
    }
}

impl CommandPath for ReservationPath {
    /// The service makes these ids, so any other is the name of a reservation that does not exist.
    fn unknown(names: &Value) -> Option<Problem> {
        let id = names["id"].as_str().unwrap_or_default();
        let detail = format!("no reservation {id} exists");
        Some(Problem::missing(Code::UnknownReservation, detail, id))
    }
}

words! { Policy { "all" => Policy::All, "partial" => Policy::Partial, } }

object! {
    /// Stock that is to be held for somebody until a moment.
    pub(crate) struct ReserveStock as "ReservationRequest" {
        /// For whom, as an opaque id.
        owner: Label,
        lines: Vec<StockLine>,
        /// How long, in seconds from the recorded time on: at most thirty days.
        ttl_seconds: TtlSeconds,
        /// `all` lines or none, or of each line what is there; default `all`.
        #[serde(default)]
        policy: Option<Policy>,
    }
    with cause
}

impl Command for ReserveStock {
    type Path = NoPath;

    fn into_request(self, _: NoPath, _: Option<Version>) -> inventory::Request {
        // A reservation of one line stays in the lane of that line's item.
        let slot = self.lines.first().map_or(0, |line| slot_of(line.sku().as_str()));
        let command = inventory::ReserveStock {
            id: ReservationId::new(slot, Uuid::now_v7()),
            owner: self.owner,
            lines: self.lines.into_iter().map(Into::into).collect(),
            ttl_seconds: self.ttl_seconds.0,
            policy: self.policy.unwrap_or(Policy::All),
            cause: cause(self.reason, self.reference, self.note, self.metadata),
        };
        let command = inventory::Command::ReserveStock(command);
        inventory::Request { command, occurred_at: self.occurred_at }
    }
}

/// ReserveStock: holds stock for somebody until a moment, only from what is available.
#[utoipa::path(
    post, path = "/v1/reservations", tag = "commands",
    params(InQuery::<CommandQuery>, CommandHeaders),
    request_body = ReserveStock,
    responses(Registered, CommandProblems),
)]
pub(crate) async fn reserve_stock(State(app): State<Arc<AppState>>, request: Request) -> Response {
    app.execute::<ReserveStock>(request).await
}

object! {
    /// A part of a reservation.
    pub(crate) struct PartLine as "Part" {
        /// The reservation's line, from 1.
        line: LineNumber,
        /// How much of it, in base units.
        quantity: Quantity,
    }
}

fn parts(lines: Vec<PartLine>) -> Vec<Part> {
    let part = |part: PartLine| Part { line: part.line.0, quantity: part.quantity.0 };
    lines.into_iter().map(part).collect()
}

/// Implements [`Command`] for a step of a reservation that exists.
macro_rules! step {
    ($type:ty, body is optional: $optional:literal, $body:ident => $step:expr) => {
        impl Command for $type {
            type Path = ReservationPath;
            const BODY_IS_OPTIONAL: bool = $optional;

            fn into_request(
                self,
                path: ReservationPath,
                expected_version: Option<Version>,
            ) -> inventory::Request {
                let $body = self;
                let command = inventory::ChangeReservation {
                    id: path.id,
                    step: $step,
                    expected_version,
                    cause: cause($body.reason, $body.reference, $body.note, $body.metadata),
                };
                let command = inventory::Command::ChangeReservation(command);
                inventory::Request { command, occurred_at: $body.occurred_at }
            }
        }
    };
}

object! {
    /// For how long the reservation is held.
    pub(crate) struct ExtendReservation as "Extension" {
        /// In seconds from the recorded time on: at most thirty days.
        ttl_seconds: TtlSeconds,
    }
    with cause
}

step! {
    ExtendReservation, body is optional: false,
    body => Step::Extend { ttl_seconds: body.ttl_seconds.0 }
}

/// ExtendReservation: a held reservation ends at another moment, counted from now.
#[utoipa::path(
    post, path = "/v1/reservations/{id}/extend", tag = "commands",
    params(InPath::<ReservationPath>, InQuery::<CommandQuery>, CommandHeaders, Precondition),
    request_body = ExtendReservation,
    responses(Recorded, CommandProblems),
)]
pub(crate) async fn extend_reservation(
    State(app): State<Arc<AppState>>,
    request: Request,
) -> Response {
    app.execute::<ExtendReservation>(request).await
}

object! {
    /// Why the reservation is confirmed. A reference becomes that of the reservation.
    pub(crate) struct ConfirmReservation as "Confirmation" {}
    with cause
}

step! { ConfirmReservation, body is optional: true, body => Step::Confirm }

/// ConfirmReservation: a held reservation becomes a firm promise, whole.
#[utoipa::path(
    post, path = "/v1/reservations/{id}/confirm", tag = "commands",
    params(InPath::<ReservationPath>, InQuery::<CommandQuery>, CommandHeaders, Precondition),
    request_body = Option<ConfirmReservation>,
    responses(Recorded, CommandProblems),
)]
pub(crate) async fn confirm_reservation(
    State(app): State<Arc<AppState>>,
    request: Request,
) -> Response {
    app.execute::<ConfirmReservation>(request).await
}

object! {
    /// The parts of the reservation to release.
    pub(crate) struct ReleaseReservation as "Release" {
        /// Parts of it; absent, all that is left.
        #[serde(default)]
        lines: Option<Vec<PartLine>>,
    }
    with cause
}

step! {
    ReleaseReservation, body is optional: true, body => Step::Release(body.lines.map(parts))
}

/// ReleaseReservation: a held reservation, or parts of it, becomes available again.
#[utoipa::path(
    post, path = "/v1/reservations/{id}/release", tag = "commands",
    params(InPath::<ReservationPath>, InQuery::<CommandQuery>, CommandHeaders, Precondition),
    request_body = Option<ReleaseReservation>,
    responses(Recorded, CommandProblems),
)]
pub(crate) async fn release_reservation(
    State(app): State<Arc<AppState>>,
    request: Request,
) -> Response {
    app.execute::<ReleaseReservation>(request).await
}

object! {
    /// The parts of the promise to cancel.
    pub(crate) struct CancelReservation as "Cancellation" {
        /// Parts of it; absent, all that is not fulfilled.
        #[serde(default)]
        lines: Option<Vec<PartLine>>,
    }
    with cause
}

step! { CancelReservation, body is optional: true, body => Step::Cancel(body.lines.map(parts)) }

/// CancelReservation: a confirmed reservation, or parts of it, is cancelled where it is not
/// fulfilled.
#[utoipa::path(
    post, path = "/v1/reservations/{id}/cancel", tag = "commands",
    params(InPath::<ReservationPath>, InQuery::<CommandQuery>, CommandHeaders, Precondition),
    request_body = Option<CancelReservation>,
    responses(Recorded, CommandProblems),
)]
pub(crate) async fn cancel_reservation(
    State(app): State<Arc<AppState>>,
    request: Request,
) -> Response {
    app.execute::<CancelReservation>(request).await
}

object! {
    /// The parts of the promise to fulfil.
    pub(crate) struct FulfilReservation as "Fulfilment" {
        /// Parts of it; absent, all that is left.
        #[serde(default)]
        lines: Option<Vec<PartLine>>,
    }
    with cause
}

step! { FulfilReservation, body is optional: true, body => Step::Fulfil(body.lines.map(parts)) }

/// FulfilReservation: promised stock, or parts of it, goes out.
#[utoipa::path(
    post, path = "/v1/reservations/{id}/fulfil", tag = "commands",
    params(InPath::<ReservationPath>, InQuery::<CommandQuery>, CommandHeaders, Precondition),
    request_body = Option<FulfilReservation>,
    responses(Recorded, CommandProblems),
)]
pub(crate) async fn fulfil_reservation(
    State(app): State<Arc<AppState>>,
    request: Request,
) -> Response {
    app.execute::<FulfilReservation>(request).await
}

object! {
    /// The fulfilled parts that come back.
    pub(crate) struct ReturnReservation as "Return" {
        lines: Vec<PartLine>,
    }
    with cause
}

step! { ReturnReservation, body is optional: false, body => Step::Return(parts(body.lines)) }

/// ReturnReservation: fulfilled stock, or parts of it, comes back.
#[utoipa::path(
    post, path = "/v1/reservations/{id}/return", tag = "commands",
    params(InPath::<ReservationPath>, InQuery::<CommandQuery>, CommandHeaders, Precondition),
    request_body = ReturnReservation,
    responses(Recorded, CommandProblems),
)]
pub(crate) async fn return_reservation(
    State(app): State<Arc<AppState>>,
    request: Request,
) -> Response {
    app.execute::<ReturnReservation>(request).await
}
