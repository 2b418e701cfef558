//! The catalogue of problems: what each code is called, its status, and what to do about it.

use axum::http::StatusCode;

/// Declares every code with its name, status, title and the text of its page.
macro_rules! catalogue {
    ($($variant:ident $name:literal $status:ident $title:literal $meaning:literal)+) => {
        /// A stable name for one kind of failure: the last part of a problem's `type`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Code {
            $($variant,)+
        }

        impl Code {
            /// Every code, in the order of the catalogue.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The code as it stands in the problem's `type`.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            /// The status it is answered with.
            pub fn status(self) -> StatusCode {
                match self {
                    $(Self::$variant => StatusCode::$status,)+
                }
            }

            /// A short title that never changes.
            pub fn title(self) -> &'static str {
                match self {
                    $(Self::$variant => $title,)+
                }
            }

            /// What it means and what to do, for the code's page.
            pub fn meaning(self) -> &'static str {
                match self {
                    $(Self::$variant => $meaning,)+
                }
            }
        }
    };
}

catalogue! {
    MalformedBody "malformed_body" BAD_REQUEST "The body is not JSON"
        "There is no body, it did not arrive in time, or it is not one JSON text in UTF-8. An object \
         that names a member twice counts as not JSON, because readers disagree on which one holds."
    ValidationFailed "validation_failed" UNPROCESSABLE_ENTITY "The request is not valid"
        "A value has the wrong type or is out of its range, or a member is unknown or missing. \
         `errors` lists every fault, each with an RFC 6901 pointer to where it stands: a member of \
         the body, or the name of a path parameter, query parameter or header."
    ReasonRequired "reason_required" UNPROCESSABLE_ENTITY "A reason is required"
        "An adjustment says why, as a code of your own such as `count` or `damaged`."
    OccurredAtOutOfRange "occurred_at_out_of_range" UNPROCESSABLE_ENTITY
        "The time it is said to have happened is not plausible"
        "`occurred_at` lies between 1970-01-01 and five minutes ahead of the log's clock."
    QuantityOverflow "quantity_overflow" UNPROCESSABLE_ENTITY "A figure would be too large"
        "A figure would pass 2^53 − 1, the largest integer that every JSON reader keeps exact."
    UnknownSku "unknown_sku" NOT_FOUND "The item is not known"
        "No item is registered under `sku`. Register it with PUT /v1/items/{sku} first."
    UnknownLocation "unknown_location" NOT_FOUND "The location is not known"
        "No location is registered under `location`. Register it with PUT /v1/locations/{code} first."
    UnknownReservation "unknown_reservation" NOT_FOUND "The reservation is not known"
        "No reservation has the id `id`. It is told in the answer to POST /v1/reservations."
    UnknownStream "unknown_stream" NOT_FOUND "The stream is not known"
        "Nothing was ever recorded in the stream `id`. Streams are item/{sku}, location/{code}, \
         stock/{sku}/{location} and reservation/{id}."
    UnknownEvent "unknown_event" NOT_FOUND "There is nothing to reverse"
        "No event, correlation or reversal is recorded under `id`."
    NotFound "not_found" NOT_FOUND "There is nothing here"
        "The path leads nowhere, or to something that does not exist."
    ItemInUse "item_in_use" CONFLICT "The item is in use"
        "The item has stock history, and its scale gives that history its meaning, so the scale \
         stays. Or something of it is left, reserved or promised somewhere, so it cannot be retired."
    ItemRetired "item_retired" CONFLICT "The item is retired"
        "The item `sku` is not traded any more: it cannot be changed, and nothing of it comes in."
    InsufficientStock "insufficient_stock" CONFLICT "There is not enough stock"
        "More is asked than is available. `lines` lists every item and location that is short, with \
         what was asked in all and what is available. Nothing was recorded. An adjustment may leave \
         less than was promised if it says `accept_shortage`."
    VersionConflict "version_conflict" PRECONDITION_FAILED "The history has moved on"
        "The request named a version with If-Match or `expected_version`, and the history is at \
         another one: `actual`. Look at it again, then decide."
    StaleQuantity "stale_quantity" CONFLICT "The quantity is not the one expected"
        "The request named `expected_quantity`, and on_hand is another one: `actual`. Look at it \
         again, then decide."
    ReservationExpired "reservation_expired" CONFLICT "The reservation has expired"
        "The hold ended before the request came, and what it held is available again. Reserve anew. \
         `reservation_status` is `expired`."
    ReservationState "reservation_state" CONFLICT "The reservation is in another state"
        "This cannot be done to a reservation that is `reservation_status`: one that is held is extended, \
         confirmed or released; one that is confirmed is fulfilled or cancelled; what is fulfilled \
         can be returned."
    OverRelease "over_release" CONFLICT "More is let go than is held"
        "The parts name more of `line` than is held or promised: `asked` against `possible`. Nothing \
         was recorded."
    OverFulfil "over_fulfil" CONFLICT "More is fulfilled than is promised"
        "The parts name more of `line` than is promised: `asked` against `possible`. Nothing was \
         recorded."
    OverReturn "over_return" CONFLICT "More is returned than went out"
        "The parts name more of `line` than was fulfilled and has not come back yet: `asked` against \
         `possible`. Nothing was recorded."
    AlreadyReversed "already_reversed" CONFLICT "It is reversed already"
        "It was taken back before, by the events in `dependents`. A reversal can itself be reversed."
    NotReversible "not_reversible" CONFLICT "It cannot be reversed"
        "It cannot be taken back by an exact opposite: it describes an item or a location, is a step \
         of a reservation, or what it brought in has moved on. `dependents` lists the later events \
         that stand in the way; reverse those first. Nothing was recorded."
    BatchRefused "batch_refused" CONFLICT "The batch is refused"
        "The commands of an atomic batch happen together or not at all, and at least one was refused. \
         `results` says of each how it would have ended. Nothing was recorded."
    IdempotencyKeyMissing "idempotency_key_missing" BAD_REQUEST "An Idempotency-Key is required"
        "This service executes a command only with an Idempotency-Key header, so that repeating it \
         is safe. In an independent batch each command has an `idempotency_key` instead."
    IdempotencyKeyReused "idempotency_key_reused" UNPROCESSABLE_ENTITY
        "The Idempotency-Key belongs to another request"
        "The key was used with another route or body. A key names one request; repeat exactly that \
         one, or use a new key."
    IdempotencyInProgress "idempotency_in_progress" CONFLICT "The same request is being executed"
        "Another request with this Idempotency-Key is being executed now. Repeat it after \
         Retry-After seconds to get its answer."
    BodyTooLarge "body_too_large" PAYLOAD_TOO_LARGE "The body is too large"
        "A body has at most `limit` bytes. Divide the command."
    BatchTooLarge "batch_too_large" PAYLOAD_TOO_LARGE "Too much is asked at once"
        "A batch has at most `limit` commands; divide it. Or a reversal would take back more than \
         `limit` events; reverse a window, or event by event."
    MethodNotAllowed "method_not_allowed" METHOD_NOT_ALLOWED "The method is not allowed here"
        "The path exists, but not with this method; the Allow header names those it has."
    UnsupportedMediaType "unsupported_media_type" UNSUPPORTED_MEDIA_TYPE
        "The media type is not supported"
        "A body is sent as Content-Type: application/json, in UTF-8."
    Unavailable "unavailable" SERVICE_UNAVAILABLE "The service cannot do it now"
        "The database cannot be reached, the service is starting or stopping, or the answer took too \
         long. Where the detail does not say that nothing was recorded, the outcome is unknown: \
         repeat the request with the same Idempotency-Key, or look before you repeat it."
    Overloaded "overloaded" SERVICE_UNAVAILABLE "Too much is waiting"
        "The queue is full and nothing was recorded. Try again after Retry-After seconds."
    DeadlineExceeded "deadline_exceeded" SERVICE_UNAVAILABLE "It waited too long"
        "The request waited too long for its turn. It was not executed and will not be."
    Internal "internal" INTERNAL_SERVER_ERROR "Something went wrong here"
        "The service met something it does not understand. Its log has the cause under `id`."
}

impl Code {
    /// The code of this name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.name() == name)
    }

    /// The code's page, for whoever follows a problem's `type`.
    pub fn page(self) -> String {
        let (name, title, meaning) = (self.name(), self.title(), self.meaning());
        let status = self.status();
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>{name}</title>\n\
             <h1>{title}</h1>\n<p><code>{name}</code>, status {status}</p>\n<p>{meaning}</p>\n</html>\n"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_the_published_name_and_status() {
        let published: Vec<(&str, u16)> =
            Code::ALL.iter().map(|code| (code.name(), code.status().as_u16())).collect();
        assert_eq!(
            published,
            [
                ("malformed_body", 400),
                ("validation_failed", 422),
                ("reason_required", 422),
                ("occurred_at_out_of_range", 422),
                ("quantity_overflow", 422),
                ("unknown_sku", 404),
                ("unknown_location", 404),
                ("unknown_reservation", 404),
                ("unknown_stream", 404),
                ("unknown_event", 404),
                ("not_found", 404),
                ("item_in_use", 409),
                ("item_retired", 409),
                ("insufficient_stock", 409),
                ("version_conflict", 412),
                ("stale_quantity", 409),
                ("reservation_expired", 409),
                ("reservation_state", 409),
                ("over_release", 409),
                ("over_fulfil", 409),
                ("over_return", 409),
                ("already_reversed", 409),
                ("not_reversible", 409),
                ("batch_refused", 409),
                ("idempotency_key_missing", 400),
                ("idempotency_key_reused", 422),
                ("idempotency_in_progress", 409),
                ("body_too_large", 413),
                ("batch_too_large", 413),
                ("method_not_allowed", 405),
                ("unsupported_media_type", 415),
                ("unavailable", 503),
                ("overloaded", 503),
                ("deadline_exceeded", 503),
                ("internal", 500),
            ]
        );
    }

    #[test]
    fn every_code_is_found_by_its_name_and_has_a_page() {
        for code in Code::ALL {
            assert_eq!(Code::of_name(code.name()), Some(*code));
            assert!(code.page().contains(code.title()), "{}", code.name());
        }
        assert_eq!(Code::of_name("teapot"), None);
    }
}
