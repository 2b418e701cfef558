//! The life of a reservation.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;

use crate::http::AppState;
use crate::http::request::Form;
use crate::http::schema::{
    CancellationBody, CommandHeaders, CommandProblems, CommandQuery, ConfirmationBody,
    ExtensionBody, FulfilmentBody, Precondition, Recorded, Registered, ReleaseBody,
    ReservationBody, ReservationPath, ReturnBody,
};

/// ReserveStock: holds stock for somebody until a moment, only from what is available.
#[utoipa::path(
    post, path = "/v1/reservations", tag = "commands", params(CommandQuery, CommandHeaders),
    request_body = ReservationBody,
    responses(Registered, CommandProblems),
)]
pub(in crate::http) async fn reserve_stock(
    State(app): State<Arc<AppState>>,
    request: Request,
) -> Response {
    app.execute(Form::Reservation, request).await
}

/// ExtendReservation: a held reservation ends at another moment, counted from now.
#[utoipa::path(
    post, path = "/v1/reservations/{id}/extend", tag = "commands",
    params(ReservationPath, CommandQuery, CommandHeaders, Precondition),
    request_body = ExtensionBody,
    responses(Recorded, CommandProblems),
)]
pub(in crate::http) async fn extend_reservation(
    State(app): State<Arc<AppState>>,
    request: Request,
) -> Response {
    app.execute(Form::Extension, request).await
}

/// ConfirmReservation: a held reservation becomes a firm promise, whole.
#[utoipa::path(
    post, path = "/v1/reservations/{id}/confirm", tag = "commands",
    params(ReservationPath, CommandQuery, CommandHeaders, Precondition),
    request_body = Option<ConfirmationBody>,
    responses(Recorded, CommandProblems),
)]
pub(in crate::http) async fn confirm_reservation(
    State(app): State<Arc<AppState>>,
    request: Request,
) -> Response {
    app.execute(Form::Confirmation, request).await
}

/// ReleaseReservation: a held reservation, or parts of it, is let go.
#[utoipa::path(
    post, path = "/v1/reservations/{id}/release", tag = "commands",
    params(ReservationPath, CommandQuery, CommandHeaders, Precondition),
    request_body = Option<ReleaseBody>,
    responses(Recorded, CommandProblems),
)]
pub(in crate::http) async fn release_reservation(
    State(app): State<Arc<AppState>>,
    request: Request,
) -> Response {
    app.execute(Form::Release, request).await
}

/// CancelReservation: what is not fulfilled of a confirmed reservation, or parts of it, is taken
/// back.
#[utoipa::path(
    post, path = "/v1/reservations/{id}/cancel", tag = "commands",
    params(ReservationPath, CommandQuery, CommandHeaders, Precondition),
    request_body = Option<CancellationBody>,
    responses(Recorded, CommandProblems),
)]
pub(in crate::http) async fn cancel_reservation(
    State(app): State<Arc<AppState>>,
    request: Request,
) -> Response {
    app.execute(Form::Cancellation, request).await
}

/// FulfilReservation: what was promised, or parts of it, goes out.
#[utoipa::path(
    post, path = "/v1/reservations/{id}/fulfil", tag = "commands",
    params(ReservationPath, CommandQuery, CommandHeaders, Precondition),
    request_body = Option<FulfilmentBody>,
    responses(Recorded, CommandProblems),
)]
pub(in crate::http) async fn fulfil_reservation(
    State(app): State<Arc<AppState>>,
    request: Request,
) -> Response {
    app.execute(Form::Fulfilment, request).await
}

/// ReturnReservation: of what went out, parts come back.
#[utoipa::path(
    post, path = "/v1/reservations/{id}/return", tag = "commands",
    params(ReservationPath, CommandQuery, CommandHeaders, Precondition),
    request_body = ReturnBody,
    responses(Recorded, CommandProblems),
)]
pub(in crate::http) async fn return_reservation(
    State(app): State<Arc<AppState>>,
    request: Request,
) -> Response {
    app.execute(Form::Return, request).await
}
