//! What commands take beside their bodies.

use utoipa::IntoParams;

/// What every command takes in its query.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct CommandQuery {
    /// Only decide: nothing is recorded and no key is stored.
    #[param(required = false)]
    validate_only: bool,
}

/// What every command takes in its headers.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(in crate::http) struct CommandHeaders {
    /// A name for this request, so that repeating it has one effect: 1 to 255 printable ASCII.
    #[param(rename = "Idempotency-Key", required = false)]
    idempotency_key: String,
    /// What belongs together; made if absent, and always answered.
    #[param(rename = "Correlation-Id", required = false)]
    correlation_id: String,
    /// Who asks, as an opaque id.
    #[param(rename = "Actor", required = false)]
    actor: String,
    /// W3C Trace Context.
    #[param(required = false)]
    traceparent: String,
}

/// What a command of one stream takes in its headers beside.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(in crate::http) struct Precondition {
    /// Refuse unless the stream is at this version, such as `"7"`; `"0"` is no history.
    #[param(rename = "If-Match", required = false)]
    if_match: String,
}

/// Which item.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(in crate::http) struct ItemPath {
    /// 1 to 64 of A–Z a–z 0–9 . _ ~ : + -
    sku: String,
}

/// Which location.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(in crate::http) struct LocationPath {
    /// 1 to 64 of A–Z a–z 0–9 . _ ~ : + -
    code: String,
}

/// Which item, and where.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(in crate::http) struct StockPath {
    /// 1 to 64 of A–Z a–z 0–9 . _ ~ : + -
    sku: String,
    /// 1 to 64 of A–Z a–z 0–9 . _ ~ : + -
    location: String,
}

/// Which reservation.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(in crate::http) struct ReservationPath {
    /// As it was told when the reservation was made.
    id: String,
}
