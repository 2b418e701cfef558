//! The problems of the command-service and what to do about each.

use service_edge::problem_catalogue;

problem_catalogue! {
    ReasonRequired "reason_required" UNPROCESSABLE_ENTITY "A reason is required"
        "An adjustment, and giving up what a transfer has on its way, need a reason: a code of your own \
         such as `count` or `damaged`."
    OccurredAtOutOfRange "occurred_at_out_of_range" UNPROCESSABLE_ENTITY
        "The time of the event is not plausible"
        "`occurred_at` lies between 1970-01-01 and five minutes ahead of the log's clock. A count, \
         or an adjustment with `expected_quantity`, cannot be dated before the newest change of that \
         stock; a step of a reservation cannot be dated before the previous step; an event ahead of \
         the clock cannot be reversed before its time. The moment must lie between `earliest` and \
         `latest`."
    QuantityOverflow "quantity_overflow" UNPROCESSABLE_ENTITY "A figure would be too large"
        "A figure would pass 2^53 − 1, the largest integer that every JSON reader keeps exact."
    UnknownSku "unknown_sku" NOT_FOUND "The item is not known"
        "No item is registered under `sku`. Register it with `PUT /v1/items/{sku}` first."
    UnknownLocation "unknown_location" NOT_FOUND "The location is not known"
        "No location is registered under `location`. Register it with `PUT /v1/locations/{code}` \
         first."
    UnknownReservation "unknown_reservation" NOT_FOUND "The reservation is not known"
        "No reservation has the id `id`. The answer to `POST /v1/reservations` contains the id."
    UnknownTransfer "unknown_transfer" NOT_FOUND "The transfer is not known"
        "No transfer has the id `id`. The answer to `POST /v1/transfers` contains the id."
    UnknownOrder "unknown_order" NOT_FOUND "The order is not known"
        "No order has the id `id`. The answer to `POST /v1/orders` contains the id."
    UnknownStream "unknown_stream" NOT_FOUND "The stream is not known"
        "Nothing was ever recorded in the stream `id`. Streams are `item/{sku}`, `location/{code}`, \
         `stock/{sku}/{location}`, `reservation/{id}`, \
         `transfer/{id}` and `order/{id}`."
    UnknownEvent "unknown_event" NOT_FOUND "There is nothing to reverse"
        "No event, correlation or reversal is recorded under `id`."
    ItemInUse "item_in_use" CONFLICT "The item is in use"
        "The item has stock history, so its scale, which gives that history its meaning, cannot \
         change. Or some of it is still on hand, reserved, allocated or on its way, so it cannot be \
         retired."
    ItemRetired "item_retired" CONFLICT "The item is retired"
        "The item `sku` was retired. It cannot be changed, and no stock of it can come in, until \
         `POST /v1/items/{sku}/reinstate`."
    InsufficientStock "insufficient_stock" CONFLICT "There is not enough stock"
        "The request needs more than is available. `lines` lists every item and location that is \
         short, with the total requested and the quantity available. Nothing was recorded. An \
         adjustment, a count or a reversal may leave less than was promised if it sets \
         `accept_shortage`. Of a reversal, `dependents` lists the events that made the promises."
    VersionConflict "version_conflict" PRECONDITION_FAILED "The history has moved on"
        "The request named a version with If-Match or `expected_version`, but the history is at \
         version `actual`. Read it again, then decide."
    StaleQuantity "stale_quantity" CONFLICT "The quantity is not the expected one"
        "The request named `expected_quantity`, but on_hand is `actual`. Read it again, then decide."
    ReservationExpired "reservation_expired" CONFLICT "The reservation has expired"
        "The hold ended before the request came, and its stock is available again. Make a new \
         reservation. `reservation_status` is `expired`."
    ReservationState "reservation_state" CONFLICT "The reservation is in another state"
        "This step does not apply to a reservation that is `reservation_status`. A held one can be \
         extended, confirmed or released; a confirmed one can be fulfilled or cancelled; fulfilled \
         stock can be returned. Or the step was done before for another document, whose \
         `reference` is recorded."
    OverRelease "over_release" CONFLICT "More would be released than is held"
        "The parts name more of `line` than is held or promised: `asked`, but only `possible`. \
         Nothing was recorded."
    OverFulfil "over_fulfil" CONFLICT "More would be fulfilled than is promised"
        "The parts name more of `line` than is promised: `asked`, but only `possible`. Nothing was \
         recorded."
    OverReturn "over_return" CONFLICT "More would be returned than went out"
        "The parts name more of `line` than was fulfilled and not yet returned, or, of a transfer, than \
         is on its way: `asked`, but only `possible`. Nothing was recorded."
    OverReceive "over_receive" CONFLICT "More would be received than is on its way"
        "The parts name more of `line` than is on its way: `asked`, but only `possible`. Nothing was \
         recorded. Goods beyond that are a separate receipt, `POST /v1/receipts`."
    TransferState "transfer_state" CONFLICT "The transfer is in another state"
        "Nothing of the transfer is on its way any more: it is `transfer_status`. Only what is on its \
         way can be received, returned or given up."
    OrderState "order_state" CONFLICT "The order is in another state"
        "This step does not apply to an order that is `order_status`. An order can be cancelled until it is \
         confirmed or has ended otherwise; it can be resumed only while a step of it needs an operator."
    AlreadyReversed "already_reversed" CONFLICT "It is already reversed"
        "The events in `dependents` have already reversed it. A reversal can itself be reversed."
    NotReversible "not_reversible" CONFLICT "It cannot be reversed"
        "An exact opposite is not possible: the event describes an item or a location, is a step of \
         a reservation, a transfer or an order, or the stock that it brought in is gone. `dependents` lists the \
         events that prevent it; reverse those first. Reservations and transfers have commands of their \
         own instead: what a transfer has on its way can be returned, and what was received can be \
         moved back; of a dispatch, `dependents` lists what has become of it since. Nothing was recorded."
    Forgotten "forgotten" GONE "The person was forgotten"
        "The key that sealed the personal data of the event `id` was deleted at the subject's request, so nobody \
         can read it any more. The event itself, without them, stays."
    PersonalDamaged "personal_damaged" INTERNAL_SERVER_ERROR "The personal data cannot be opened"
        "The box of the event `id` does not open with its subject's key, or the key is missing although nobody \
         deleted it. This is not forgetting: an operator must look at the database of keys, at MASTER_KEY_FILE, \
         and at the log with `command-service verify`."
    BatchRefused "batch_refused" CONFLICT "The batch is refused"
        "The commands of an atomic batch happen together or not at all, and at least one was \
         refused. `results` has the outcome that each would have had. Nothing was recorded."
    IdempotencyKeyMissing "idempotency_key_missing" BAD_REQUEST "An Idempotency-Key is required"
        "This service executes a command only with an Idempotency-Key header, so that repeating it \
         is safe. In an independent batch each command has an `idempotency_key` instead."
    IdempotencyKeyReused "idempotency_key_reused" UNPROCESSABLE_ENTITY
        "The Idempotency-Key belongs to another request"
        "The key was used with another route or body. A key names one request: repeat exactly that \
         request, or use a new key."
    IdempotencyInProgress "idempotency_in_progress" CONFLICT "The same request is being executed"
        "Another request with this Idempotency-Key is being executed now. Repeat it after \
         Retry-After seconds to get its answer."
    BatchTooLarge "batch_too_large" PAYLOAD_TOO_LARGE "The request contains too much"
        "A batch has at most `limit` commands: divide it. A reversal reverses at most `limit` \
         events: reverse a window, or one event at a time."
    Unavailable "unavailable" SERVICE_UNAVAILABLE "The service cannot do it now"
        "The database cannot be reached, the service is starting or stopping, or the answer took too \
         long. Unless the detail says that nothing was recorded, the outcome is unknown: repeat the \
         request with the same Idempotency-Key, or check before you repeat it."
    Overloaded "overloaded" SERVICE_UNAVAILABLE "Too many requests are waiting"
        "The queue is full and nothing was recorded. Try again after Retry-After seconds."
    DeadlineExceeded "deadline_exceeded" SERVICE_UNAVAILABLE "It waited too long"
        "The request waited too long for its turn. It was not executed and will not be."
}

#[cfg(test)]
mod tests {
    use service_edge::problem::Catalogue;

    use super::Code;

    #[test]
    fn codes_keep_their_published_names_and_statuses() {
        let published = [
            (400, "malformed_body idempotency_key_missing"),
            (404, "unknown_sku unknown_location unknown_reservation unknown_stream unknown_event"),
            (404, "unknown_transfer unknown_order"),
            (401, "unauthenticated"),
            (403, "forbidden forbidden_host forbidden_origin"),
            (404, "not_found"),
            (405, "method_not_allowed"),
            (409, "item_in_use item_retired insufficient_stock stale_quantity batch_refused"),
            (409, "reservation_expired reservation_state over_release over_fulfil over_return"),
            (409, "already_reversed not_reversible idempotency_in_progress"),
            (409, "over_receive transfer_state order_state"),
            (410, "forgotten"),
            (412, "version_conflict"),
            (413, "body_too_large batch_too_large"),
            (415, "unsupported_media_type"),
            (422, "validation_failed reason_required occurred_at_out_of_range quantity_overflow"),
            (422, "idempotency_key_reused"),
            (429, "rate_limited"),
            (500, "internal personal_damaged"),
            (503, "unavailable overloaded deadline_exceeded"),
        ];
        let mut published: Vec<(&str, u16)> = published
            .iter()
            .flat_map(|(status, codes)| codes.split(' ').map(|code| (code, *status)))
            .collect();
        let kinds = Code::ALL.iter().map(|code| code.kind());
        let mut actual: Vec<(&str, u16)> =
            kinds.map(|kind| (kind.code, kind.status.as_u16())).collect();
        published.sort_unstable();
        actual.sort_unstable();
        assert_eq!(actual, published);
    }
}
