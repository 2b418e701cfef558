//! What OpenAPI says beyond the routes: the shape of bodies, headers and problems.
//!
//! Requests are read by `request`, which finds every fault at once, so these types describe and
//! are never filled; a test holds them to what the reader takes.
#![expect(dead_code, reason = "they describe, see above")]

mod body;
mod log;

use super::answer::Accepted;
use utoipa::{IntoParams, IntoResponses, OpenApi, ToSchema};

pub(super) use self::body::{
    AdjustmentBody, CountBody, IssueBody, ItemBody, LocationBody, MoveBody, ReceiptBody,
    RetirementBody,
};
pub(super) use self::log::{MergedRange, StateQuery, StreamStateBody};

/// Stockbook's command-service: decides stock commands and records what happened.
#[derive(OpenApi)]
#[openapi(
    info(title = "Stockbook command-service"),
    paths(super::log::list_stream_events, super::log::state::read_state),
    components(schemas(Accepted, Problem)),
    tags(
        (name = "commands", description = "What may be asked. All lines of a command or none."),
        (name = "log", description = "What happened, in order. Never changed."),
    ),
)]
pub(super) struct Api;

/// What every command takes in its query.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct CommandQuery {
    /// Only decide: nothing is recorded and no key is stored.
    #[param(required = false)]
    validate_only: bool,
}

/// What every command takes in its headers.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(super) struct CommandHeaders {
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
pub(super) struct Precondition {
    /// Refuse unless the stream is at this version, such as `"7"`; `"0"` is no history.
    #[param(rename = "If-Match", required = false)]
    if_match: String,
}

/// At which moment the lanes are listed.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct LanesQuery {
    /// Each lane's last event recorded at or before this moment, settled: the same moment gives the
    /// same answer for ever. A moment ahead of the log's clock is refused.
    #[param(format = DateTime, required = false)]
    at: String,
}

/// Which part of a history is listed.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct EventRange {
    /// The place before the first event: a position in a lane, a version in a stream.
    #[param(minimum = 0, default = 0, required = false)]
    after: i64,
    /// Events at most.
    #[param(minimum = 1, maximum = 10_000, default = 1_000, required = false)]
    limit: i64,
}

/// One event, as one line of NDJSON.
#[derive(ToSchema)]
#[schema(as = Event)]
pub(super) struct EventLine {
    #[schema(example = "3-1042")]
    id: String,
    lane: u16,
    position: i64,
    #[schema(example = "stock/85123A/MAIN")]
    stream: String,
    version: i64,
    #[schema(rename = "type", example = "StockReceived")]
    kind: String,
    schema_version: i16,
    #[schema(format = DateTime)]
    occurred_at: String,
    #[schema(format = DateTime)]
    recorded_at: String,
    actor: Option<String>,
    correlation_id: String,
    causation_id: Option<String>,
    /// By type and schema_version.
    data: serde_json::Value,
    /// In lower hex.
    chain: String,
}

/// RFC 9457. Members beside these depend on the code; `type` leads to a page about it.
#[derive(ToSchema)]
pub(super) struct Problem {
    #[schema(rename = "type", example = "/problems/insufficient_stock")]
    kind: String,
    title: String,
    status: u16,
    detail: String,
}

/// How a command about something named is answered.
#[derive(IntoResponses)]
pub(super) enum Registered {
    /// Made known.
    #[response(status = 201, headers(("Stock-Position" = String, description = "A position token")))]
    New(Accepted),
    /// Described anew, or nothing to do, or only validated.
    #[response(status = 200, headers(("Stock-Position" = String, description = "A position token")))]
    Known(Accepted),
}

/// How a command about stock is answered.
#[derive(IntoResponses)]
pub(super) enum Recorded {
    /// Recorded, or only validated.
    #[response(status = 200, headers(("Stock-Position" = String, description = "A position token")))]
    All(Accepted),
}

/// How a command is refused.
#[derive(IntoResponses)]
pub(super) enum CommandProblems {
    /// malformed_body, idempotency_key_missing
    #[response(status = 400, content_type = "application/problem+json")]
    Malformed(Problem),
    /// unknown_sku, unknown_location
    #[response(status = 404, content_type = "application/problem+json")]
    Unknown(Problem),
    /// insufficient_stock, item_in_use, stale_quantity
    #[response(status = 409, content_type = "application/problem+json")]
    Conflict(Problem),
    /// version_conflict
    #[response(status = 412, content_type = "application/problem+json")]
    VersionConflict(Problem),
    /// body_too_large
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(Problem),
    /// unsupported_media_type
    #[response(status = 415, content_type = "application/problem+json")]
    MediaType(Problem),
    /// validation_failed, reason_required, occurred_at_out_of_range, quantity_overflow,
    /// idempotency_key_reused
    #[response(status = 422, content_type = "application/problem+json")]
    Invalid(Problem),
    /// internal
    #[response(status = 500, content_type = "application/problem+json")]
    Internal(Problem),
    /// unavailable, overloaded, deadline_exceeded
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(Problem),
}

/// How a read is refused.
#[derive(IntoResponses)]
pub(super) enum ReadProblems {
    /// not_found, unknown_stream
    #[response(status = 404, content_type = "application/problem+json")]
    Unknown(Problem),
    /// validation_failed
    #[response(status = 422, content_type = "application/problem+json")]
    Invalid(Problem),
    /// internal
    #[response(status = 500, content_type = "application/problem+json")]
    Internal(Problem),
    /// unavailable
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(Problem),
}
