//! Every way to fail, as the document that the caller gets.

use axum::body::to_bytes;
use axum::http::StatusCode;
use serde_json::{Value, json};
use shared_events::lane::Version;
use shared_events::values::ReservationId;

use super::*;
use crate::inventory::{Irreversible, Rejection};

/// Status, Retry-After and document.
async fn document(problem: Problem) -> (StatusCode, Option<String>, Value) {
    let response = problem.into_response();
    assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
    let status = response.status();
    let retry_after = response.headers().get(RETRY_AFTER);
    let retry_after = retry_after.map(|value| value.to_str().expect("digits").to_owned());
    let bytes = to_bytes(response.into_body(), usize::MAX).await.expect("a body");
    let text = std::str::from_utf8(&bytes).expect("UTF-8");
    assert_eq!(text.matches("\"status\":").count(), 1, "{text}");
    (status, retry_after, serde_json::from_str(text).expect("JSON"))
}

#[tokio::test]
async fn a_document_has_its_members_in_reading_order() {
    let sku: Sku = "85123A".parse().expect("a sku");
    let response = Problem::from(Rejection::UnknownSku { sku }).into_response();
    let bytes = to_bytes(response.into_body(), usize::MAX).await.expect("a body");
    assert_eq!(
        std::str::from_utf8(&bytes).expect("UTF-8"),
        r#"{"type":"/problems/unknown_sku","title":"The item is not known","status":404,"detail":"no item 85123A is registered","sku":"85123A"}"#
    );
}

#[tokio::test]
async fn a_rejection_tells_what_refused_it() {
    let sku: Sku = "85123A".parse().expect("a sku");
    let location: LocationCode = "MAIN".parse().expect("a location");
    let moment = "2010-12-01T08:26:00Z".parse().expect("a time");
    let shortage =
        Shortage { sku: sku.clone(), location: location.clone(), requested: 60, available: 10 };
    let cases = [
        (Rejection::UnknownSku { sku: sku.clone() }, "unknown_sku", json!({"sku": "85123A"})),
        (
            Rejection::UnknownLocation { location: location.clone() },
            "unknown_location",
            json!({"location": "MAIN"}),
        ),
        (Rejection::ItemInUse { sku: sku.clone() }, "item_in_use", json!({"sku": "85123A"})),
        (Rejection::ItemHasStock { sku: sku.clone() }, "item_in_use", json!({"sku": "85123A"})),
        (Rejection::ItemRetired { sku: sku.clone() }, "item_retired", json!({"sku": "85123A"})),
        (
            Rejection::InsufficientStock { lines: vec![shortage] },
            "insufficient_stock",
            json!({"lines": [
                {"sku": "85123A", "location": "MAIN", "requested": 60, "available": 10}
            ]}),
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
            json!({}),
        ),
    ];
    for (rejection, name, members) in cases {
        tells(rejection, name, &members).await;
    }
}

#[tokio::test]
async fn what_a_reservation_or_a_reversal_is_refused_for_is_told() {
    let id: ReservationId = "7-019a9f3c-5a3e-7cc1-8a05-0242ac120002".parse().expect("an id");
    let part = Excess { line: 2, asked: 5, possible: 3 };
    let excess = json!({"line": 2, "asked": 5, "possible": 3});
    let dependents: Vec<EventId> = vec!["3-9".parse().expect("an id")];
    let cases = [
        (
            Rejection::UnknownReservation { id: id.clone() },
            "unknown_reservation",
            json!({"id": id}),
        ),
        (
            Rejection::ReservationExpired {},
            "reservation_expired",
            json!({"reservation_status": "expired"}),
        ),
        (
            Rejection::ReservationState { status: ReservationStatus::Fulfilled },
            "reservation_state",
            json!({"reservation_status": "fulfilled"}),
        ),
        (Rejection::OverRelease { part }, "over_release", excess.clone()),
        (Rejection::OverFulfil { part }, "over_fulfil", excess.clone()),
        (Rejection::OverReturn { part }, "over_return", excess),
        (Rejection::UnknownEvent { id: "3-7".to_owned() }, "unknown_event", json!({"id": "3-7"})),
        (
            Rejection::AlreadyReversed { dependents: dependents.clone() },
            "already_reversed",
            json!({"dependents": ["3-9"]}),
        ),
        (
            Rejection::NotReversible { why: Irreversible::MovedOn, dependents },
            "not_reversible",
            json!({"dependents": ["3-9"]}),
        ),
    ];
    for (rejection, name, members) in cases {
        tells(rejection, name, &members).await;
    }
}

/// The rejection is told by this code, with its title and status, and these members.
async fn tells(rejection: Rejection, name: &str, members: &Value) {
    let (status, retry_after, document) = document(rejection.into()).await;
    let code = Code::of_name(name).expect("a code");
    assert_eq!((status, retry_after), (code.status(), None), "{name}");
    let mut expected = json!({
        "type": format!("/problems/{name}"), "title": code.title(),
        "status": status.as_u16(), "detail": document["detail"],
    });
    let members = members.as_object().expect("members").clone();
    expected.as_object_mut().expect("an object").extend(members);
    assert_eq!(document, expected);
}

#[tokio::test]
async fn what_was_not_executed_says_so_and_when_to_come_back() {
    let retry_after = Duration::from_millis(1_500);
    let cases = [
        (NotExecuted::DeadlinePassed, "deadline_exceeded", "1"),
        (NotExecuted::DatabaseUnavailable, "unavailable", "1"),
        (NotExecuted::Stopping, "unavailable", "1"),
        (NotExecuted::QueueFull { retry_after }, "overloaded", "2"),
    ];
    for (reason, name, seconds) in cases {
        let (status, retry_after, document) = document(reason.into()).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(document["type"], format!("/problems/{name}"));
        assert_eq!(retry_after.as_deref(), Some(seconds), "{name}");
    }
}

#[tokio::test]
async fn an_unknown_outcome_tells_how_to_learn_it() {
    let (status, retry_after, document) = document(Problem::outcome_unknown()).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(retry_after.is_some());
    let detail = document["detail"].as_str().expect("a detail");
    assert!(detail.contains("same Idempotency-Key"), "{detail}");
}

#[tokio::test]
async fn an_internal_failure_shows_an_id_and_no_cause() {
    let (status, _, document) = document(Problem::internal(&"the secret cause")).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(Uuid::parse_str(document["id"].as_str().expect("an id")).is_ok());
    assert!(!document.to_string().contains("secret"));
}
