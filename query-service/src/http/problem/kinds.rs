//! The kinds of problems, each with the text of its page.

use axum::http::StatusCode;

/// What stays the same in every document of one type.
pub(super) struct Kind {
    /// The last part of the type's address.
    pub(super) code: &'static str,
    pub(super) status: StatusCode,
    pub(super) title: &'static str,
    /// For the page that the type's address leads to, as HTML.
    pub(super) help: &'static str,
}

/// All of them.
pub(super) const ALL: [&Kind; 16] = [
    &UNKNOWN_SKU,
    &UNKNOWN_LOCATION,
    &UNKNOWN_RESERVATION,
    &NOT_FOUND,
    &METHOD_NOT_ALLOWED,
    &NOT_YET_APPLIED,
    &PROJECTION_UNAVAILABLE,
    &OVERLOADED,
    &INVALID_POSITION,
    &INVALID_CURSOR,
    &INVALID_PARAMETER,
    &BODY_TOO_LARGE,
    &MALFORMED_BODY,
    &UNSUPPORTED_MEDIA_TYPE,
    &VALIDATION_FAILED,
    &INTERNAL,
];

pub(super) const UNKNOWN_SKU: Kind = Kind {
    code: "unknown_sku",
    status: StatusCode::NOT_FOUND,
    title: "Unknown sku",
    help: "No item with this sku was registered, as far as the views have applied the log. If \
           it was just registered, ask again with <code>min_position</code>.",
};

pub(super) const UNKNOWN_LOCATION: Kind = Kind {
    code: "unknown_location",
    status: StatusCode::NOT_FOUND,
    title: "Unknown location",
    help: "No location with this code was registered, as far as the views have applied the \
           log. If it was just registered, ask again with <code>min_position</code>.",
};

pub(super) const UNKNOWN_RESERVATION: Kind = Kind {
    code: "unknown_reservation",
    status: StatusCode::NOT_FOUND,
    title: "Unknown reservation",
    help: "No reservation with this id was made, as far as the views have applied the log. If it \
           was just made, ask again with <code>min_position</code>.",
};

pub(super) const NOT_FOUND: Kind = Kind {
    code: "not_found",
    status: StatusCode::NOT_FOUND,
    title: "Not found",
    help: "There is nothing at this path; <code>/docs</code> lists what there is.",
};

pub(super) const METHOD_NOT_ALLOWED: Kind = Kind {
    code: "method_not_allowed",
    status: StatusCode::METHOD_NOT_ALLOWED,
    title: "Method not allowed",
    help: "The path exists, but not with this method; the Allow header names those it has.",
};

pub(super) const NOT_YET_APPLIED: Kind = Kind {
    code: "not_yet_applied",
    status: StatusCode::SERVICE_UNAVAILABLE,
    title: "Not yet applied",
    help: "The position asked for with <code>min_position</code> was not applied within \
           <code>wait_ms</code>. <code>position</code> says how far the views are; ask again.",
};

pub(super) const PROJECTION_UNAVAILABLE: Kind = Kind {
    code: "projection_unavailable",
    status: StatusCode::SERVICE_UNAVAILABLE,
    title: "Projection unavailable",
    help: "The read database does not answer. Ask again.",
};

pub(super) const OVERLOADED: Kind = Kind {
    code: "overloaded",
    status: StatusCode::SERVICE_UNAVAILABLE,
    title: "Overloaded",
    help: "This instance has as many requests in work as it takes. Ask again, or ask another \
           instance.",
};

pub(super) const INVALID_POSITION: Kind = Kind {
    code: "invalid_position",
    status: StatusCode::UNPROCESSABLE_ENTITY,
    title: "Invalid position",
    help: "A position token looks like <code>3:1042</code> or <code>3:1042,7:88</code>, lanes \
           ascending, and names lanes of this log.",
};

pub(super) const INVALID_CURSOR: Kind = Kind {
    code: "invalid_cursor",
    status: StatusCode::UNPROCESSABLE_ENTITY,
    title: "Invalid cursor",
    help: "A cursor is the <code>next_cursor</code> of an earlier page of the same list, \
           unchanged.",
};

pub(super) const INVALID_PARAMETER: Kind = Kind {
    code: "invalid_parameter",
    status: StatusCode::UNPROCESSABLE_ENTITY,
    title: "Invalid parameter",
    help: "A query parameter does not fit, comes twice, or is not known; \
           <code>parameter</code> names it. Nothing is ignored, since that would answer \
           another question.",
};

pub(super) const BODY_TOO_LARGE: Kind = Kind {
    code: "body_too_large",
    status: StatusCode::PAYLOAD_TOO_LARGE,
    title: "Body too large",
    help: "The request has a body beyond the bound, which <code>limit</code> says in bytes.",
};

pub(super) const MALFORMED_BODY: Kind = Kind {
    code: "malformed_body",
    status: StatusCode::BAD_REQUEST,
    title: "Malformed body",
    help: "There is no body where one is needed, or it is not JSON in UTF-8.",
};

pub(super) const UNSUPPORTED_MEDIA_TYPE: Kind = Kind {
    code: "unsupported_media_type",
    status: StatusCode::UNSUPPORTED_MEDIA_TYPE,
    title: "Unsupported media type",
    help: "A body is sent as <code>Content-Type: application/json</code>.",
};

pub(super) const VALIDATION_FAILED: Kind = Kind {
    code: "validation_failed",
    status: StatusCode::UNPROCESSABLE_ENTITY,
    title: "Validation failed",
    help: "The body is JSON, but members are missing, not known, or of another type. \
           <code>errors</code> holds them all, each with its place (RFC 6901).",
};

pub(super) const INTERNAL: Kind = Kind {
    code: "internal",
    status: StatusCode::INTERNAL_SERVER_ERROR,
    title: "Internal error",
    help: "A fault of the service. Its cause is in the service's log under <code>id</code>.",
};
