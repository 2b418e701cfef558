//! Outcomes in, responses out.

use axum::body::to_bytes;
use serde_json::json;
use shared_events::event::Cause;

use shared_events::event::{Figures, StockReceived};

use super::*;
use crate::inventory::Rejection;

fn recorded(position: i64, stream: &str, version: i64, event: &Event) -> RecordedEvent {
    serde_json::from_value(json!({
        "lane": 3, "position": position, "stream": stream, "version": version,
        "type": event.event_type(), "schema_version": event.schema_version(),
        "occurred_at": "2010-12-01T08:26:00Z", "recorded_at": "2026-11-20T10:00:00Z",
        "actor": null, "correlation_id": "c-1", "causation_id": null,
        "data": event.to_data(),
        "chain": "00".repeat(32),
    }))
    .expect("an event")
}

fn received(sku: &str, on_hand: i64) -> Event {
    Event::StockReceived(StockReceived {
        sku: sku.parse().expect("a sku"),
        location: "MAIN".parse().expect("a location"),
        quantity: 1,
        after: Figures { on_hand, reserved: 2, allocated: 1 },
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
async fn an_accepted_command_tells_its_events_and_the_last_figures() {
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
        r#"{"sku":"B","location":"MAIN","on_hand":6,"reserved":2,"allocated":1,"available":3,"version":2},"#,
        r#"{"sku":"A","location":"MAIN","on_hand":9,"reserved":2,"allocated":1,"available":6,"version":4}]}"#,
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
        r#""figures":[{"sku":"A","location":"MAIN","on_hand":9,"reserved":2,"allocated":1,"available":6}]}"#,
    );
    assert_eq!(body(response).await, expected);
}

#[tokio::test]
async fn a_command_with_nothing_to_do_answers_with_its_lanes_heads() {
    let unchanged = Unchanged {
        position: "3:7".parse().expect("a token"),
        recorded_at: "2026-11-20T10:00:00Z".parse().expect("a time"),
        correlation_id: id(),
    };
    let response = render(Outcome::Decided(Decision::Unchanged(unchanged)), &id());
    assert_eq!(response.headers()[STOCK_POSITION], "3:7");
    let expected = r#"{"position":"3:7","recorded_at":"2026-11-20T10:00:00.000000Z","correlation_id":"c-2","events":[],"figures":[]}"#;
    assert_eq!(body(response).await, expected);
}
