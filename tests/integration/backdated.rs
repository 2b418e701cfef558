//! What compares with the present is not dated before it; differences may be.

use std::sync::Arc;

use integration_tests::{Stockbook, World, lines_at_main, start_again};
use serde_json::{Value, json};

trials! {
    a_count_is_not_dated_before_the_newest_change_of_its_stock,
    a_step_of_a_reservation_is_not_dated_before_its_hold,
}

const JANUARY: &str = "2026-01-01T00:00:00.000000Z";
const FEBRUARY: &str = "2026-02-01T00:00:00.000000Z";
const MARCH: &str = "2026-03-01T00:00:00.000000Z";

/// Lines about A at MAIN that happened at this moment.
fn dated(mut body: Value, moment: &str) -> Value {
    body["occurred_at"] = json!(moment);
    body
}

async fn a_count_is_not_dated_before_the_newest_change_of_its_stock(world: Arc<World>) {
    let mut stockbook = Stockbook::start(&world).await;
    stockbook.register(&["A"]).await;
    let command = stockbook.command();
    let receipt = dated(lines_at_main(&[("A", 10)]), JANUARY);
    command.post("/v1/receipts", receipt).await.expect_status(200);
    let issue = dated(lines_at_main(&[("A", 4)]), MARCH);
    let issued = command.post("/v1/issues", issue).await.expect_status(200);

    let count = |quantity: i64| json!({"quantity": quantity, "expected_quantity": null});
    let adjust = |expected: Option<i64>| {
        let mut line = json!({"sku": "A", "location": "MAIN", "delta": -1});
        if let Some(expected) = expected {
            line["expected_quantity"] = json!(expected);
        }
        json!({"lines": [line], "reason": "damaged"})
    };
    // The second round is decided on what the service read from the log.
    for _ in 0..2 {
        let command = stockbook.command();
        for (method, path, body) in [
            ("PUT", "/v1/stock/A/MAIN", count(10)),
            ("PUT", "/v1/stock/A/MAIN", count(6)),
            ("POST", "/v1/adjustments", adjust(Some(6))),
        ] {
            let refused = command.send(method, path, &dated(body, FEBRUARY)).await;
            let problem = refused.expect_problem(422, "occurred_at_out_of_range");
            assert_eq!(problem["earliest"], MARCH, "{problem}");
        }
        assert_eq!(command.figures("A").await.on_hand, 6);
        stockbook.commands[0].stop().await.expect("the service stops");
        start_again(&mut stockbook.commands[0]).await;
    }
    let command = stockbook.command();
    let then = format!("/v1/stock/A/MAIN?as_of={FEBRUARY}");
    let seen = stockbook.read_at(&then, &issued.position()).await.json();
    assert_eq!(seen["on_hand"], 10, "{seen}");

    let adjusted = command.post("/v1/adjustments", dated(adjust(None), FEBRUARY)).await;
    adjusted.expect_status(200);
    let counted = dated(count(7), MARCH);
    let counted = command.send("PUT", "/v1/stock/A/MAIN", &counted).await.expect_status(200);
    let seen = stockbook.read_at(&then, &counted.position()).await.json();
    assert_eq!(seen["on_hand"], 9, "a difference may be dated before: {seen}");
    stockbook.verify().await;
}

async fn a_step_of_a_reservation_is_not_dated_before_its_hold(world: Arc<World>) {
    let stockbook = Stockbook::start(&world).await;
    let command = stockbook.command();
    stockbook.register(&["A"]).await;
    stockbook.receive(&[("A", 10)]).await;
    let held = command.reserve("ann", 600, &[("A", 2)]).await;
    let id = held.reservation_id();
    for (step, body) in
        [("confirm", json!({})), ("release", json!({})), ("extend", json!({"ttl_seconds": 60}))]
    {
        let refused = command.step(&id, step, dated(body, MARCH)).await;
        let problem = refused.expect_problem(422, "occurred_at_out_of_range");
        assert_eq!(problem["earliest"], held.json()["recorded_at"], "{problem}");
    }
    command.step(&id, "confirm", json!({})).await.expect_status(200);
    let refused = command.step(&id, "fulfil", dated(json!({}), MARCH)).await;
    refused.expect_problem(422, "occurred_at_out_of_range");
    command.step(&id, "fulfil", json!({})).await.expect_status(200);
    stockbook.verify().await;
}
