//! How OpenAPI describes the problems that a request is answered with.

#![expect(dead_code, reason = "these types describe problems, and are never filled")]

use service_edge::problem::ProblemDocument;
use utoipa::IntoResponses;

/// The problems of a command.
#[derive(IntoResponses)]
pub(crate) enum CommandProblems {
    /// malformed_body, idempotency_key_missing
    #[response(status = 400, content_type = "application/problem+json")]
    Malformed(ProblemDocument),
    /// unknown_sku, unknown_location, unknown_reservation, unknown_transfer, unknown_order,
    /// unknown_event
    #[response(status = 404, content_type = "application/problem+json")]
    Unknown(ProblemDocument),
    /// insufficient_stock, item_in_use, item_retired, stale_quantity, reservation_expired,
    /// reservation_state, over_release, over_fulfil, over_return, transfer_state, over_receive,
    /// order_state, already_reversed, not_reversible, batch_refused, idempotency_in_progress
    #[response(status = 409, content_type = "application/problem+json")]
    Conflict(ProblemDocument),
    /// version_conflict
    #[response(status = 412, content_type = "application/problem+json")]
    VersionConflict(ProblemDocument),
    /// body_too_large, batch_too_large
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(ProblemDocument),
    /// unsupported_media_type
    #[response(status = 415, content_type = "application/problem+json")]
    MediaType(ProblemDocument),
    /// validation_failed, reason_required, occurred_at_out_of_range, quantity_overflow,
    /// idempotency_key_reused
    #[response(status = 422, content_type = "application/problem+json")]
    Invalid(ProblemDocument),
    /// internal
    #[response(status = 500, content_type = "application/problem+json")]
    Internal(ProblemDocument),
    /// unavailable, overloaded, deadline_exceeded
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(ProblemDocument),
}

/// The problems of a read.
#[derive(IntoResponses)]
pub(crate) enum ReadProblems {
    /// not_found, unknown_stream
    #[response(status = 404, content_type = "application/problem+json")]
    Unknown(ProblemDocument),
    /// validation_failed
    #[response(status = 422, content_type = "application/problem+json")]
    Invalid(ProblemDocument),
    /// internal
    #[response(status = 500, content_type = "application/problem+json")]
    Internal(ProblemDocument),
    /// unavailable
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(ProblemDocument),
}
