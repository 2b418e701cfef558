//! The problems of the query-service and what to do about each.

use service_edge::problem_catalogue;

problem_catalogue! {
    UnknownSku "unknown_sku" NOT_FOUND "The item is not known"
        "The views know no item `sku`. If it was just registered, ask again with `min_position`."
    UnknownLocation "unknown_location" NOT_FOUND "The location is not known"
        "The views know no location `location`. If it was just registered, ask again with \
         `min_position`."
    UnknownReservation "unknown_reservation" NOT_FOUND "The reservation is not known"
        "The views know no reservation `id`. If it was just made, ask again with `min_position`."
    UnknownTransfer "unknown_transfer" NOT_FOUND "The transfer is not known"
        "The views know no transfer `id`. If it was just dispatched, ask again with `min_position`."
    UnknownOrder "unknown_order" NOT_FOUND "The order is not known"
        "The views know no order `id`. If it was just placed, ask again with `min_position`."
    NotYetApplied "not_yet_applied" SERVICE_UNAVAILABLE "The position is not applied yet"
        "The views did not reach `min_position` within `wait_ms`. They are at `position`. Ask again."
    ProjectionUnavailable "projection_unavailable" SERVICE_UNAVAILABLE
        "The views cannot be read now"
        "The read database does not answer, or the answer took too long. Ask again."
    Unavailable "unavailable" SERVICE_UNAVAILABLE "The service cannot do it now"
        "It is not known here which credentials are valid: command-service, which has the API keys, or the \
         issuer of tokens does not answer. Ask again after Retry-After seconds."
    ProjectionState "projection_state" CONFLICT "The projection is in another state"
        "The lane is not stopped at that event, or a rebuild is running, or the versions that are kept do not \
         allow this step. `GET /v1/projections` shows them. Nothing was changed."
    NotConfigured "not_configured" NOT_IMPLEMENTED "This instance is not set up for it"
        "A rebuild makes tables, for which the service needs the read database as its owner, \
         `MIGRATE_DATABASE_URL`. Give it to the service, or run `query-service rebuild`."
    Overloaded "overloaded" SERVICE_UNAVAILABLE "Too many requests are in progress"
        "This instance has as many requests in progress as it accepts. Ask again, or ask another \
         instance."
    InvalidPosition "invalid_position" UNPROCESSABLE_ENTITY "The position is not valid"
        "A position token looks like `3:1042` or `3:1042,7:88`: lanes of this log, in ascending \
         order, each with a position."
    InvalidCursor "invalid_cursor" UNPROCESSABLE_ENTITY "The cursor is not valid"
        "A cursor is the unchanged `next_cursor` of an earlier page of the same list."
    InvalidParameter "invalid_parameter" UNPROCESSABLE_ENTITY "A parameter is not valid"
        "The query parameter `parameter` has a value that does not fit, is repeated, or is not \
         known. The service ignores none, because that would answer another question."
}

#[cfg(test)]
mod tests {
    use service_edge::problem::Catalogue;

    use super::Code;

    #[test]
    fn codes_keep_their_published_names_and_statuses() {
        let kinds = Code::ALL.iter().map(|code| code.kind());
        let published: Vec<(&str, u16)> =
            kinds.map(|kind| (kind.code, kind.status.as_u16())).collect();
        assert_eq!(
            published,
            [
                ("unknown_sku", 404),
                ("unknown_location", 404),
                ("unknown_reservation", 404),
                ("unknown_transfer", 404),
                ("unknown_order", 404),
                ("not_yet_applied", 503),
                ("projection_unavailable", 503),
                ("unavailable", 503),
                ("projection_state", 409),
                ("not_configured", 501),
                ("overloaded", 503),
                ("invalid_position", 422),
                ("invalid_cursor", 422),
                ("invalid_parameter", 422),
                ("malformed_body", 400),
                ("validation_failed", 422),
                ("not_found", 404),
                ("method_not_allowed", 405),
                ("body_too_large", 413),
                ("unsupported_media_type", 415),
                ("forbidden_host", 403),
                ("forbidden_origin", 403),
                ("unauthenticated", 401),
                ("forbidden", 403),
                ("rate_limited", 429),
                ("internal", 500),
            ]
        );
    }
}
