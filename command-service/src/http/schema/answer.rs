//! How requests are answered.

use serde::Serialize;
use utoipa::{IntoResponses, ToSchema};

use crate::http::answer::{Accepted, BatchAnswer};
use crate::http::commands::reversal::ReversalProgress;

/// RFC 9457. Members beside these depend on the code; `type` leads to a page about it.
#[derive(ToSchema)]
pub(in crate::http) struct Problem {
    #[schema(rename = "type", example = "/problems/insufficient_stock")]
    kind: String,
    title: String,
    #[schema(example = 409)]
    status: u16,
    detail: String,
}

/// How a command that makes or describes something named is answered.
#[derive(IntoResponses)]
pub(in crate::http) enum Registered {
    /// Made known.
    #[response(status = 201, headers(("Stock-Position" = String, description = "A position token")))]
    New(Accepted),
    /// Described anew, or nothing to do, or only validated.
    #[response(status = 200, headers(("Stock-Position" = String, description = "A position token")))]
    Known(Accepted),
}

/// How a command about stock is answered.
#[derive(IntoResponses)]
pub(in crate::http) enum Recorded {
    /// Recorded, or only validated.
    #[response(status = 200, headers(("Stock-Position" = String, description = "A position token")))]
    All(Accepted),
}

/// How a reversal is answered.
#[derive(IntoResponses)]
pub(in crate::http) enum Reversed {
    /// Recorded, or only validated, also by `dry_run`; of a window what would happen.
    #[response(status = 200, headers(("Stock-Position" = String, description = "A position token")))]
    All(ReversalAnswer),
    /// A window is being reversed.
    #[response(status = 202, headers(("Location" = String, description = "Where its progress is")))]
    Begun(ReversalProgress),
}

/// Of a window its progress, of all others what a command answers.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(in crate::http) enum ReversalAnswer {
    Window(ReversalProgress),
    Other(Accepted),
}

/// How a batch is answered.
#[derive(IntoResponses)]
pub(in crate::http) enum Executed {
    /// Executed, or only validated. Of an independent batch each command has its own status.
    #[response(status = 200, headers(("Stock-Position" = String, description = "A position token")))]
    All(BatchAnswer),
}

/// How a command is refused.
#[derive(IntoResponses)]
pub(in crate::http) enum CommandProblems {
    /// malformed_body, idempotency_key_missing
    #[response(status = 400, content_type = "application/problem+json")]
    Malformed(Problem),
    /// unknown_sku, unknown_location, unknown_reservation, unknown_event
    #[response(status = 404, content_type = "application/problem+json")]
    Unknown(Problem),
    /// insufficient_stock, item_in_use, item_retired, stale_quantity, reservation_expired,
    /// reservation_state, over_release, over_fulfil, over_return, already_reversed, not_reversible,
    /// batch_refused, idempotency_in_progress
    #[response(status = 409, content_type = "application/problem+json")]
    Conflict(Problem),
    /// version_conflict
    #[response(status = 412, content_type = "application/problem+json")]
    VersionConflict(Problem),
    /// body_too_large, batch_too_large
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
pub(in crate::http) enum ReadProblems {
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
