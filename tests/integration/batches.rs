//! Several commands in one request: each for itself, or all or none.

use std::sync::Arc;

use integration_tests::{
    Answer, Api, Stockbook, World, assert_has, line_at, lines_at_main, moment, reservation,
};
use serde_json::{Value, json};

trials! {
    commands_of_an_independent_batch_succeed_or_fail_alone,
    an_atomic_batch_happens_whole_or_not_at_all,
    a_validated_batch_leaves_no_event_and_no_key,
}

pub(super) fn batch(mode: &str, commands: Value) -> Value {
    json!({"mode": mode, "commands": commands})
}

pub(super) async fn send(api: &Api, mode: &str, commands: Value) -> Answer {
    api.post("/v1/batches", batch(mode, commands)).await
}

/// A command about one line at MAIN.
fn of_line(kind: &str, sku: &str, quantity: i64) -> Value {
    json!({"type": kind, "lines": [line_at("MAIN", sku, quantity)]})
}

pub(super) fn receive(sku: &str, quantity: i64) -> Value {
    of_line("receive_stock", sku, quantity)
}

pub(super) fn issue(sku: &str, quantity: i64) -> Value {
    of_line("issue_stock", sku, quantity)
}

pub(super) fn keyed(key: &str, mut command: Value) -> Value {
    command["idempotency_key"] = json!(key);
    command
}

/// Status and, of a refusal, code of every result, in their order.
#[track_caller]
pub(super) fn results(body: &Value) -> String {
    let results = body["results"].as_array().unwrap_or_else(|| panic!("no results: {body}"));
    let result = |(nth, result): (usize, &Value)| {
        assert_eq!(result["index"], nth, "{body}");
        let code = result["body"]["type"].as_str().unwrap_or_default();
        format!("{} {}", result["status"], code.trim_start_matches("/problems/")).trim().to_owned()
    };
    results.iter().enumerate().map(result).collect::<Vec<_>>().join(", ")
}

async fn commands_of_an_independent_batch_succeed_or_fail_alone(world: Arc<World>) {
    let (mut stockbook, _) = Stockbook::stocked(&world, &[("A", 0), ("B", 0)]).await;
    let commands = json!([
        keyed("b1", receive("A", 5)),
        keyed("b2", issue("A", 3)),
        keyed("b3", issue("A", 3)),
        {"type": "register_item", "sku": "C", "name": "Lantern"},
        {"type": "register_location", "code": "WEST"},
        {"type": "set_stock", "sku": "B", "location": "WEST", "quantity": 4, "expected_quantity": 0},
        receive("NONE", 1),
        {"type": "move_stock", "lines": [{"sku": "A", "from": "MAIN", "to": "WEST", "quantity": 2}]},
        {"type": "adjust_stock", "lines": [{"sku": "B", "location": "WEST", "delta": -1}], "reason": "lost"},
        keyed("b9", json!({"type": "reserve_stock", "owner": "cart", "ttl_seconds": 600, "lines": [{"sku": "B", "location": "WEST", "quantity": 2}]})),
        {"type": "retire_item", "sku": "C"},
    ]);
    let command = stockbook.command();
    let first = send(&command, "independent", commands.clone()).await.expect_status(200);
    let body = first.json();
    let expected =
        "200, 200, 409 insufficient_stock, 201, 201, 200, 404 unknown_sku, 200, 200, 201, 200";
    assert_eq!(results(&body), expected, "{body}");
    assert_eq!(body["position"], first.position().to_string());
    assert_eq!(body["results"][2]["body"]["lines"][0]["available"], 2, "{body}");
    let moved = stockbook.read_at("/v1/stock/A/WEST", &first.position()).await.json();
    assert_eq!(moved["on_hand"], 2);

    live_a_life(&command, &body).await;

    // The keyed ones again, after a crash: their bodies to the byte, and nothing happens.
    let recorded = stockbook.heads().await;
    stockbook.crash().await;
    let command = stockbook.command();
    let own: Vec<Value> = [0, 1, 2, 9].iter().map(|nth: &usize| commands[*nth].clone()).collect();
    let again = send(&command, "independent", json!(own)).await.expect_status(200).json();
    for (nth, first) in [0, 1, 2, 9].into_iter().enumerate() {
        let (again, first) = (&again["results"][nth], &body["results"][first]);
        assert_eq!(again["status"], first["status"]);
        assert_eq!(again["body"].to_string(), first["body"].to_string());
    }
    assert_eq!(stockbook.heads().await, recorded);
    let alone = command.keyed("/v1/receipts", "b1", &lines_at_main(&[("A", 6)])).await;
    alone.expect_problem(422, "idempotency_key_reused");
    stockbook.verify().await;
}

/// The life of the reservation that an earlier batch made: the path's id is a member here.
async fn live_a_life(command: &Api, body: &Value) {
    let id = body["results"][9]["body"]["reservation"]["id"].clone();
    let step = |step: &str| json!({"type": format!("{step}_reservation"), "id": id});
    let part = |step: &str| json!({"type": format!("{step}_reservation"), "id": id, "lines": [{"line": 1, "quantity": 1}]});
    let life = json!([
        {"type": "extend_reservation", "id": id, "ttl_seconds": 900},
        part("release"),
        step("confirm"),
        step("fulfil"),
        part("return"),
        step("cancel"),
        {"type": "reverse", "event": body["results"][0]["body"]["events"][0]["id"]},
    ]);
    let life = send(command, "independent", life).await.expect_status(200).json();
    let expected = "200, 200, 200, 200, 200, 409 reservation_state, 409 not_reversible";
    assert_eq!(results(&life), expected, "{life}");
}

async fn an_atomic_batch_happens_whole_or_not_at_all(world: Arc<World>) {
    let (mut stockbook, command) = Stockbook::stocked(&world, &[("A", 0), ("B", 0)]).await;
    let before = stockbook.heads().await;
    let key = |name: &'static str| [("idempotency-key", name)];

    // Each sees what those before it would do; the one that is refused refuses all.
    let bad =
        json!([receive("A", 5), issue("A", 3), issue("A", 3), issue("B", 1), receive("B", 1)]);
    let bad = batch("atomic", bad);
    let refusal = command.send_with("POST", "/v1/batches", &key("bad"), &bad).await;
    let problem = refusal.clone().expect_problem(409, "batch_refused");
    let expected = "200, 200, 409 insufficient_stock, 409 insufficient_stock, 200";
    assert_eq!(results(&problem), expected, "{problem}");
    assert_eq!(problem["results"][2]["body"]["lines"][0]["available"], 2, "{problem}");
    assert_eq!(stockbook.heads().await, before, "a part of a refused batch was recorded");

    let mut reserved = reservation("cart", 600, &[("C", 2)]);
    reserved["type"] = json!("reserve_stock");
    let item = json!({"type": "register_item", "sku": "C"});
    let good = json!([item, receive("C", 5), issue("C", 3), reserved, receive("A", 7)]);
    let good = batch("atomic", good);
    let done = command.send_with("POST", "/v1/batches", &key("good"), &good).await;
    let done = done.expect_status(200);
    let body = done.json();
    assert_eq!(results(&body), "201, 200, 200, 201, 200", "{body}");
    let recorded = moment(&body["results"][0]["body"]["recorded_at"]);
    assert_has(&body["results"], json!(vec![json!({"body": {"recorded_at": recorded}}); 5]));
    assert_eq!(body["position"], done.position().to_string());
    stockbook.receive(&[("A", 1)]).await;
    let recorded = stockbook.recorded().await;

    stockbook.crash().await;
    let command = stockbook.command();
    for (name, body, first) in [("bad", &bad, &refusal), ("good", &good, &done)] {
        let again = command.send_with("POST", "/v1/batches", &key(name), body).await;
        assert!(again.is_replayed(), "{name}");
        assert_eq!((again.status, &again.body), (first.status, &first.body), "{name}");
        assert_eq!(again.header("stock-position"), first.header("stock-position"), "{name}");
    }
    let other = command.send_with("POST", "/v1/batches", &key("good"), &bad).await;
    other.expect_problem(422, "idempotency_key_reused");
    assert_eq!(stockbook.recorded().await, recorded, "a repeated batch was recorded again");
    let figure = stockbook.read_at("/v1/stock/C/MAIN", &done.position()).await.json();
    assert_has(&figure, json!({"on_hand": 2, "reserved": 2}));
    stockbook.verify().await;
}

async fn a_validated_batch_leaves_no_event_and_no_key(world: Arc<World>) {
    let (stockbook, command) = Stockbook::stocked(&world, &[("A", 0)]).await;
    let before = stockbook.heads().await;
    let key = [("idempotency-key", "try")];
    let path = "/v1/batches?validate_only=true";
    let good = batch("atomic", json!([receive("A", 5), issue("A", 5)]));
    let valid = command.send_with("POST", path, &key, &good).await.expect_status(200);
    let body = valid.json();
    assert_eq!(results(&body), "200, 200", "{body}");
    assert!(!valid.headers.contains_key("stock-position"), "{valid:?}");
    assert_eq!(body["results"][1]["body"]["figures"][0]["on_hand"], 0, "{body}");
    assert!(body["results"][0]["body"]["events"][0]["id"].is_null(), "{body}");
    let bad = batch("atomic", json!([receive("A", 5), issue("A", 6)]));
    let invalid = command.send_with("POST", path, &key, &bad).await;
    invalid.expect_problem(409, "batch_refused");
    let each =
        batch("independent", json!([keyed("k", receive("A", 5)), keyed("l", issue("A", 1))]));
    let each = command.done(path, each).await.json();
    assert_eq!(results(&each), "200, 409 insufficient_stock", "{each}");
    assert_eq!(stockbook.heads().await, before, "validating recorded something");
    command.send_with("POST", "/v1/batches", &key, &good).await.expect_status(200);
    let each = batch("independent", json!([keyed("k", receive("A", 6))]));
    command.done("/v1/batches", each).await;
}
