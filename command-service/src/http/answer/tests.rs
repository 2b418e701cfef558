//! Outcomes in, responses out.

mod batch;

use std::sync::Arc;

use axum::body::to_bytes;
use serde_json::json;
use shared_events::event::{Cause, Figures, ReservationStep, StockReceived, StockReversed};

use super::*;
use crate::inventory::Rejection;
use crate::log::submission::Unchanged;

fn recorded(position: i64, stream: &str, version: i64, event: &Event) -> Arc<RecordedEvent> {
    let event: RecordedEvent = serde_json::from_value(json!({
        "lane": 3, "position": position, "stream": stream, "version": version,
        "type": event.event_type(), "schema_version": event.schema_version(),
        "occurred_at": "2010-12-01T08:26:00Z", "recorded_at": "2026-11-20T10:00:00Z",
        "actor": null, "correlation_id": "c-1", "causation_id": null,
        "data": event.to_data(),
        "chain": "00".repeat(32),
    }))
    .expect("an event");
    Arc::new(event)
}

fn received(sku: &str, on_hand: i64) -> Event {
    Event::StockReceived(StockReceived {
        sku: sku.parse().expect("a sku"),
        location: "MAIN".parse().expect("a location"),
        quantity: 1,
        after: Figures { on_hand, reserved: 2, allocated: 1, incoming: 4, waiting: 6 },
        cause: Cause::default(),
    })
}

fn id() -> Label {
    "c-2".parse().expect("a label")
}

async fn body(response: Response) -> String {
    let bytes = to_bytes(response.into_body(), usize::MAX).await.expect("a body");
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

#[tokio::test]
async fn an_accepted_command_is_answered_with_its_events_and_the_last_figures() {
    let events = vec![
        recorded(7, "stock/B/MAIN", 1, &received("B", 5)),
        recorded(8, "stock/A/MAIN", 4, &received("A", 9)),
        recorded(9, "stock/B/MAIN", 2, &received("B", 6)),
    ];
    let response = render(Outcome::Decided(Decision::Accepted(events)), &id());
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()[STOCK_POSITION], "3:9");
    assert!(!response.headers().contains_key(IDEMPOTENCY_REPLAYED));
    let expected = concat!(
        r#"{"position":"3:9","recorded_at":"2026-11-20T10:00:00.000000Z","correlation_id":"c-1","events":["#,
        r#"{"id":"3-7","stream":"stock/B/MAIN","version":1,"type":"StockReceived"},"#,
        r#"{"id":"3-8","stream":"stock/A/MAIN","version":4,"type":"StockReceived"},"#,
        r#"{"id":"3-9","stream":"stock/B/MAIN","version":2,"type":"StockReceived"}],"figures":["#,
        r#"{"sku":"B","location":"MAIN","on_hand":6,"reserved":2,"allocated":1,"available":3,"incoming":4,"waiting":6,"version":2},"#,
        r#"{"sku":"A","location":"MAIN","on_hand":9,"reserved":2,"allocated":1,"available":6,"incoming":4,"waiting":6,"version":4}]}"#,
    );
    assert_eq!(body(response).await, expected);
}

#[tokio::test]
async fn a_repeated_request_gets_the_same_status_and_bytes() {
    let decisions = [
        Decision::Accepted(vec![recorded(7, "stock/B/MAIN", 1, &received("B", 5))]),
        Decision::Unchanged(Unchanged {
            position: "3:7".parse().expect("a token"),
            recorded_at: "2026-11-20T10:00:00Z".parse().expect("a time"),
            correlation_id: id(),
            reservation: None,
        }),
        Decision::Rejected(Rejection::StaleQuantity { expected: 3, actual: 10 }),
    ];
    for decision in decisions {
        let first = render(Outcome::Decided(decision.clone()), &id());
        let again = render(Outcome::Replayed(decision), &"c-3".parse().expect("a label"));
        assert_eq!(first.status(), again.status());
        assert_eq!(first.headers().get(STOCK_POSITION), again.headers().get(STOCK_POSITION));
        assert_eq!(again.headers()[IDEMPOTENCY_REPLAYED], "true");
        assert_eq!(body(first).await, body(again).await);
    }
}

#[tokio::test]
async fn something_new_is_answered_as_created() {
    let location = serde_json::json!({"code": "MAIN", "name": "MAIN"}).to_string();
    for (event_type, status) in
        [("LocationRegistered", StatusCode::CREATED), ("LocationChanged", StatusCode::OK)]
    {
        let event = Event::from_json(event_type, 1, &location).expect("an event");
        let accepted = Decision::Accepted(vec![recorded(1, "location/MAIN", 1, &event)]);
        assert_eq!(render(Outcome::Decided(accepted), &id()).status(), status);
    }
}

#[tokio::test]
async fn a_command_that_is_only_validated_has_no_place_in_the_log() {
    let response = render(Outcome::Valid(vec![received("A", 9)]), &id());
    assert_eq!(response.status(), StatusCode::OK);
    assert!(!response.headers().contains_key(STOCK_POSITION));
    let expected = concat!(
        r#"{"correlation_id":"c-2","events":[{"stream":"stock/A/MAIN","type":"StockReceived"}],"#,
        r#""figures":[{"sku":"A","location":"MAIN","on_hand":9,"reserved":2,"allocated":1,"available":6,"incoming":4,"waiting":6}]}"#,
    );
    assert_eq!(body(response).await, expected);
}

#[tokio::test]
async fn a_command_with_nothing_to_do_answers_with_its_lanes_heads() {
    let unchanged = Unchanged {
        position: "3:7".parse().expect("a token"),
        recorded_at: "2026-11-20T10:00:00Z".parse().expect("a time"),
        correlation_id: id(),
        reservation: None,
    };
    let response = render(Outcome::Decided(Decision::Unchanged(unchanged)), &id());
    assert_eq!(response.headers()[STOCK_POSITION], "3:7");
    let expected = r#"{"position":"3:7","recorded_at":"2026-11-20T10:00:00.000000Z","correlation_id":"c-2","events":[],"figures":[]}"#;
    assert_eq!(body(response).await, expected);
}

/// A step of a reservation, after which it is of this status.
fn step(status: &str) -> ReservationStep {
    serde_json::from_value(json!({"after": {
        "id": "7-019a9f3c-5a3e-7cc1-8a05-0242ac120002", "owner": "cart-7", "status": status,
        "expires_at": "2026-11-20T10:15:00Z", "reference": null,
        "lines": [{
            "line": 1, "sku": "A", "location": "MAIN", "requested": 3, "quantity": 3,
            "released": 0, "fulfilled": 0, "returned": 0,
        }],
    }}))
    .expect("a step")
}

#[tokio::test]
async fn a_new_reservation_is_answered_as_created_and_whole() {
    let held = Event::ReservationHeld(step("held"));
    let stream = held.stream().to_string();
    let made = Decision::Accepted(vec![recorded(1, &stream, 1, &held)]);
    let response = render(Outcome::Decided(made), &id());
    assert_eq!(response.status(), StatusCode::CREATED);
    let shown: serde_json::Value = serde_json::from_str(&body(response).await).expect("JSON");
    // The event leaves out what never waited.
    let mut expected = serde_json::to_value(step("held").after).expect("JSON");
    expected["wait_until"] = json!(null);
    expected["priority"] = json!(null);
    expected["lines"][0]["waiting"] = json!(0);
    assert_eq!(shown["reservation"], expected);

    let valid = render(Outcome::Valid(vec![held]), &id());
    assert_eq!(valid.status(), StatusCode::OK);
    let shown: serde_json::Value = serde_json::from_str(&body(valid).await).expect("JSON");
    assert_eq!(shown["reservation"], expected);
}

#[tokio::test]
async fn a_reservation_is_shown_where_a_step_was_done_before_and_as_its_last_step_left_it() {
    let steps =
        [Event::ReservationHeld(step("held")), Event::ReservationReleased(step("released"))];
    let response = render(Outcome::Valid(steps.to_vec()), &id());
    assert!(body(response).await.contains(r#""status":"released""#));
    let unchanged = Unchanged {
        position: "3:7".parse().expect("a token"),
        recorded_at: "2026-11-20T10:00:00Z".parse().expect("a time"),
        correlation_id: id(),
        reservation: Some(step("cancelled").after),
    };
    let response = render(Outcome::Decided(Decision::Unchanged(unchanged)), &id());
    assert!(body(response).await.contains(r#""status":"cancelled""#));
}

#[tokio::test]
async fn a_reversal_is_answered_with_its_id() {
    let reversal = "019a9f3c-5a3e-7cc1-8a05-0242ac120002";
    let reversed = Event::StockReversed(StockReversed {
        sku: "A".parse().expect("a sku"),
        location: "MAIN".parse().expect("a location"),
        reverses: "3-7".parse().expect("an id"),
        reversal: reversal.parse().expect("an id"),
        delta: -1,
        after: Figures::default(),
        cause: Cause::default(),
    });
    let decided = Decision::Accepted(vec![recorded(8, "stock/A/MAIN", 2, &reversed)]);
    for outcome in [Outcome::Decided(decided), Outcome::Valid(vec![reversed])] {
        let shown: serde_json::Value =
            serde_json::from_str(&body(render(outcome, &id())).await).expect("JSON");
        assert_eq!(shown["reversal_id"], reversal);
    }
}

#[tokio::test]
async fn a_key_in_use_is_answered_with_retry_after() {
    let response = render(Outcome::InProgress, &id());
    assert_eq!(response.status(), StatusCode::CONFLICT);
    assert_eq!(response.headers()["retry-after"], "1");
    assert!(body(response).await.contains("/problems/idempotency_in_progress"));
}

#[tokio::test]
async fn a_confirmed_reservation_is_shown_without_an_expiry() {
    for (status, ends) in [
        ("held", true),
        ("released", true),
        ("expired", true),
        ("confirmed", false),
        ("fulfilled", false),
        ("cancelled", false),
    ] {
        let response = render(Outcome::Valid(vec![Event::ReservationHeld(step(status))]), &id());
        let shown: serde_json::Value = serde_json::from_str(&body(response).await).expect("JSON");
        let expires_at = &shown["reservation"]["expires_at"];
        assert_eq!(expires_at.is_string(), ends, "{status}: {expires_at}");
        assert_eq!(expires_at.is_null(), !ends, "{status}: {expires_at}");
    }
}
