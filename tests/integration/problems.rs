//! What a service says to input that it cannot take, and that it records nothing then.

use std::sync::Arc;

use integration_tests::{Stockbook, World, lines_at_main, pointers};
use reqwest::Method;
use serde_json::json;

trials! {
    bad_input_gets_its_problem_and_records_nothing,
    all_faults_of_a_body_are_reported_at_once,
}

async fn bad_input_gets_its_problem_and_records_nothing(world: Arc<World>) {
    let (stockbook, command) = Stockbook::stocked(&world, &[("A", 0)]).await;
    let before = stockbook.heads().await;

    let json_type = [("content-type", "application/json")];
    let raw = async |body: Option<Vec<u8>>| {
        let answer = command.try_send(Method::POST, "/v1/receipts", &json_type, body).await;
        answer.expect("the service answers")
    };
    raw(None).await.expect_problem(400, "malformed_body");
    raw(Some(Vec::new())).await.expect_problem(400, "malformed_body");
    raw(Some(b"{\"lines\": \"\xff\"}".to_vec())).await.expect_problem(400, "malformed_body");
    raw(Some(b"{\"lines\":".to_vec())).await.expect_problem(400, "malformed_body");
    let large = raw(Some(vec![b' '; 10 << 20])).await.expect_problem(413, "body_too_large");
    assert_eq!(large["limit"], 1 << 20);

    // A small body whose every event would repeat a long note.
    let mut talkative = lines_at_main(&[("A", 1); 5_000]);
    talkative["note"] = json!("\u{1F4E6}".repeat(1_000));
    let answer = raw(Some(talkative.to_string().into_bytes())).await;
    assert_eq!(answer.expect_problem(413, "body_too_large")["limit"], 16 << 20);

    let text = [("content-type", "text/plain")];
    let body = Some(lines_at_main(&[("A", 1)]).to_string().into_bytes());
    let answer = command.try_send(Method::POST, "/v1/receipts", &text, body).await.unwrap();
    answer.expect_problem(415, "unsupported_media_type");
    let get = command.get("/v1/receipts").await;
    assert_eq!(get.header("allow"), Some("POST"));
    get.expect_problem(405, "method_not_allowed");
    command.get("/v1/nothing").await.expect_problem(404, "not_found");

    for quantity in ["0", "-1", "1.5", "9007199254740992", "9223372036854775808", "\"1\"", "null"] {
        let body =
            format!(r#"{{"lines":[{{"sku":"A","location":"MAIN","quantity":{quantity}}}]}}"#);
        let problem = raw(Some(body.into_bytes())).await.expect_problem(422, "validation_failed");
        assert_eq!(problem["errors"][0]["pointer"], "/lines/0/quantity", "{quantity}: {problem}");
    }
    let unreasoned = json!({"lines": [{"sku": "A", "location": "MAIN", "delta": 1}]});
    command.refused("/v1/adjustments", unreasoned, 422, "reason_required").await;
    let mistyped = "/v1/receipts?valdate_only=true";
    command.refused(mistyped, lines_at_main(&[("A", 1)]), 422, "validation_failed").await;

    assert_eq!(stockbook.heads().await, before, "something was recorded");
}

async fn all_faults_of_a_body_are_reported_at_once(world: Arc<World>) {
    let stockbook = Stockbook::start(&world).await;
    let body = json!({
        "lines": [
            {"sku": "no spaces", "location": "MAIN", "quantity": 0},
            {"sku": "A", "locaton": "MAIN", "quantity": 1},
            "A",
        ],
        "reason": "Not Snake",
        "reference": {"type": "invoice"},
        "occurred_at": "yesterday",
        "colour": "red",
    });
    let problem = stockbook.command().refused("/v1/receipts", body, 422, "validation_failed").await;
    let expected = [
        "/colour",
        "/lines/0/quantity",
        "/lines/0/sku",
        "/lines/1/location",
        "/lines/1/locaton",
        "/lines/2",
        "/occurred_at",
        "/reason",
        "/reference/id",
    ];
    assert_eq!(pointers(&problem), expected, "{problem}");
}
