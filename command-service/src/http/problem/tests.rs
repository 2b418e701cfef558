//! Rejections and commands that were not executed, as problems.

use axum::http::header::RETRY_AFTER;
use axum::response::IntoResponse;
use serde_json::{Value, json};
use shared_events::lane::{EventId, Version};
use shared_events::order::OrderStatus;
use shared_events::time::Timestamp;
use shared_events::transfer::TransferStatus;
use shared_events::values::{LocationCode, OrderId, ReservationId, Sku, TransferId};

use super::*;
use crate::inventory::{Irreversible, Shortage};

/// The code of a problem, and its members beyond those that all problems have.
fn code_and_members(problem: &Problem) -> (String, Value) {
    let mut document = serde_json::to_value(problem).expect("a document");
    let members = document.as_object_mut().expect("members");
    let code = members.remove("type").expect("a type").to_string();
    for usual in ["title", "status", "detail"] {
        members.remove(usual).expect("a usual member");
    }
    (code.trim_matches('"').trim_start_matches("/problems/").to_owned(), document)
}

fn assert_problems(cases: impl IntoIterator<Item = (Rejection, &'static str, Value)>) {
    for (rejection, code, members) in cases {
        let problem = Problem::from(rejection);
        assert_eq!(code_and_members(&problem), (code.to_owned(), members));
    }
}

#[test]
fn a_rejection_has_its_code_and_members() {
    let sku: Sku = "85123A".parse().expect("a sku");
    let location: LocationCode = "MAIN".parse().expect("a location");
    let moment: Timestamp = "2010-12-01T08:26:00Z".parse().expect("a time");
    let short = json!({"sku": "85123A", "location": "MAIN", "requested": 60, "available": 10});
    let shortage =
        Shortage { sku: sku.clone(), location: location.clone(), requested: 60, available: 10 };
    let of_item = json!({"sku": "85123A"});
    assert_problems([
        (Rejection::UnknownSku { sku: sku.clone() }, "unknown_sku", of_item.clone()),
        (Rejection::ItemInUse { sku: sku.clone() }, "item_in_use", of_item.clone()),
        (Rejection::ItemHasStock { sku: sku.clone() }, "item_in_use", of_item.clone()),
        (Rejection::ItemRetired { sku: sku.clone() }, "item_retired", of_item),
        (
            Rejection::UnknownLocation { location: location.clone() },
            "unknown_location",
            json!({"location": "MAIN"}),
        ),
        (
            Rejection::InsufficientStock { lines: vec![shortage] },
            "insufficient_stock",
            json!({"lines": [short]}),
        ),
        (
            Rejection::VersionConflict { expected: Version(4), actual: Version(1) },
            "version_conflict",
            json!({"expected": 4, "actual": 1}),
        ),
        (
            Rejection::StaleQuantity { expected: 3, actual: 10 },
            "stale_quantity",
            json!({"expected": 3, "actual": 10}),
        ),
        (Rejection::QuantityOverflow { sku, location }, "quantity_overflow", json!({})),
        (
            Rejection::OccurredAtOutOfRange { earliest: moment, latest: moment },
            "occurred_at_out_of_range",
            json!({"earliest": moment, "latest": moment}),
        ),
    ]);
}

#[test]
fn a_rejection_of_a_reservation_or_reversal_has_its_code_and_members() {
    let id: ReservationId = "7-019a9f3c-5a3e-7cc1-8a05-0242ac120002".parse().expect("an id");
    let of_id = json!({"id": id});
    let part = Excess { line: 2, asked: 5, possible: 3 };
    let excess = json!({"line": 2, "asked": 5, "possible": 3});
    let state = |status: &str| json!({"reservation_status": status});
    let status = ReservationStatus::Fulfilled;
    let dependents: Vec<EventId> = vec!["3-9".parse().expect("an id")];
    let of_dependents = json!({"dependents": ["3-9"]});
    let reversed = Rejection::AlreadyReversed { dependents: dependents.clone() };
    let promised = Rejection::Promised { lines: Vec::new(), dependents: dependents.clone() };
    let irreversible = Rejection::NotReversible { why: Irreversible::MovedOn, dependents };
    let reference = json!({"type": "order", "id": "1"});
    let for_another = Rejection::DoneForAnother {
        status,
        reference: serde_json::from_value(reference.clone()).expect("a reference"),
    };
    let mut of_another = state("fulfilled");
    of_another["reference"] = reference;
    assert_problems([
        (Rejection::UnknownReservation { id }, "unknown_reservation", of_id),
        (Rejection::ReservationExpired {}, "reservation_expired", state("expired")),
        (Rejection::ReservationState { status }, "reservation_state", state("fulfilled")),
        (Rejection::OverRelease { part }, "over_release", excess.clone()),
        (Rejection::OverFulfil { part }, "over_fulfil", excess.clone()),
        (Rejection::OverReturn { part }, "over_return", excess),
        (Rejection::UnknownEvent { id: "3-7".to_owned() }, "unknown_event", json!({"id": "3-7"})),
        (reversed, "already_reversed", of_dependents.clone()),
        (irreversible, "not_reversible", of_dependents),
        (promised, "insufficient_stock", json!({"lines": [], "dependents": ["3-9"]})),
        (for_another, "reservation_state", of_another),
    ]);
}

#[test]
fn a_rejection_of_a_transfer_has_its_code_and_members() {
    let id: TransferId = "7-019a9f3c-5a3e-7cc1-8a05-0242ac120002".parse().expect("an id");
    let of_id = json!({"id": id});
    let part = Excess { line: 2, asked: 5, possible: 3 };
    let excess = json!({"line": 2, "asked": 5, "possible": 3});
    let status = TransferStatus::PartiallyReceived;
    let now: Timestamp = "2010-12-01T08:26:00Z".parse().expect("a time");
    let message = "must be later than now, 2010-12-01T08:26:00.000000Z";
    let errors = json!({"errors": [{"pointer": "/expected_at", "message": message}]});
    assert_problems([
        (Rejection::UnknownTransfer { id }, "unknown_transfer", of_id),
        (
            Rejection::TransferState { status },
            "transfer_state",
            json!({"transfer_status": "partially_received"}),
        ),
        (Rejection::OverReceive { part }, "over_receive", excess),
        (Rejection::ExpectedAtPassed { now }, "validation_failed", errors),
    ]);
}

#[test]
fn a_rejection_of_an_order_has_its_code_and_members() {
    let id: OrderId = "7-019a9f3c-5a3e-7cc1-8a05-0242ac120002".parse().expect("an id");
    let of_id = json!({"id": id});
    let status = OrderStatus::TimedOut;
    assert_problems([
        (Rejection::UnknownOrder { id }, "unknown_order", of_id),
        (Rejection::OrderState { status }, "order_state", json!({"order_status": "timed_out"})),
    ]);
}

#[test]
fn a_command_that_was_not_executed_gets_a_reason_and_a_pause() {
    let retry_after = Duration::from_millis(1_500);
    for (problem, code, seconds) in [
        (NotExecuted::DeadlinePassed.into(), "deadline_exceeded", "1"),
        (NotExecuted::DatabaseUnavailable.into(), "unavailable", "1"),
        (NotExecuted::Stopping.into(), "unavailable", "1"),
        (NotExecuted::QueueFull { retry_after }.into(), "overloaded", "2"),
        (Problem::outcome_unknown(), "unavailable", "1"),
        (Problem::key_in_progress(), "idempotency_in_progress", "1"),
    ] {
        assert_eq!(code_and_members(&problem).0, code);
        assert_eq!(problem.into_response().headers()[RETRY_AFTER], seconds, "{code}");
    }
}
