//! Every problem that the command-service knows, each brought about by a request.

mod pressure;

use std::collections::BTreeSet;
use std::sync::Arc;

use integration_tests::{
    Answer, Api, Stockbook, World, assert_has, eventually, line_at, lines_at_main,
};
use reqwest::Method;
use serde_json::{Value, json};

trials! {
    every_problem_of_the_catalogue_is_met_by_a_request,
}

/// The members of a problem besides the usual ones.
type Members = &'static [&'static str];

/// A member that is a header.
const RETRY_AFTER: &str = "Retry-After";

/// The published table: code, status, members.
const TABLE: [(&str, u16, Members); 47] = [
    ("malformed_body", 400, &[]),
    ("validation_failed", 422, &["errors"]),
    ("reason_required", 422, &[]),
    ("occurred_at_out_of_range", 422, &[]),
    ("quantity_overflow", 422, &[]),
    ("unknown_sku", 404, &["sku"]),
    ("unknown_location", 404, &["location"]),
    ("unknown_reservation", 404, &["id"]),
    ("unknown_transfer", 404, &["id"]),
    ("unknown_order", 404, &["id"]),
    ("unknown_stream", 404, &["id"]),
    ("unknown_event", 404, &["id"]),
    ("not_found", 404, &[]),
    ("unauthenticated", 401, &[]),
    ("forbidden", 403, &["scope"]),
    ("rate_limited", 429, &[RETRY_AFTER]),
    ("forbidden_host", 403, &[]),
    ("forbidden_origin", 403, &[]),
    ("item_retired", 409, &[]),
    ("item_in_use", 409, &[]),
    ("insufficient_stock", 409, &["lines"]),
    ("version_conflict", 412, &["expected", "actual"]),
    ("stale_quantity", 409, &["expected", "actual"]),
    ("reservation_expired", 409, &["reservation_status"]),
    ("reservation_state", 409, &["reservation_status"]),
    ("over_release", 409, &["line", "asked", "possible"]),
    ("over_fulfil", 409, &["line", "asked", "possible"]),
    ("over_return", 409, &["line", "asked", "possible"]),
    ("over_receive", 409, &["line", "asked", "possible"]),
    ("transfer_state", 409, &["transfer_status"]),
    ("order_state", 409, &["order_status"]),
    ("already_reversed", 409, &["dependents"]),
    ("not_reversible", 409, &["dependents"]),
    ("batch_refused", 409, &["results"]),
    ("idempotency_key_missing", 400, &[]),
    ("idempotency_key_reused", 422, &[]),
    ("idempotency_in_progress", 409, &[RETRY_AFTER]),
    ("body_too_large", 413, &["limit"]),
    ("batch_too_large", 413, &["limit"]),
    ("method_not_allowed", 405, &[]),
    ("unsupported_media_type", 415, &[]),
    ("unavailable", 503, &[RETRY_AFTER]),
    ("overloaded", 503, &[RETRY_AFTER]),
    ("deadline_exceeded", 503, &[RETRY_AFTER]),
    ("internal", 500, &["id"]),
    ("forgotten", 410, &["id"]),
    ("personal_damaged", 500, &["id"]),
];

/// The codes that were met.
#[derive(Debug, Default)]
struct Met(BTreeSet<&'static str>);

impl Met {
    /// The answer is this problem, as the table has it.
    #[track_caller]
    fn meet(&mut self, answer: Answer, code: &str) -> Value {
        let (code, status, members) =
            TABLE.into_iter().find(|(one, ..)| *one == code).expect("a code of the table");
        let retry_after = answer.header(RETRY_AFTER).map(str::parse::<u32>);
        let problem = answer.expect_problem(status, code);
        for member in members {
            if *member == RETRY_AFTER {
                assert!(matches!(retry_after, Some(Ok(1..))), "no Retry-After: {problem}");
            } else {
                assert!(!problem[member].is_null(), "no {member}: {problem}");
            }
        }
        self.0.insert(code);
        problem
    }
}

async fn every_problem_of_the_catalogue_is_met_by_a_request(world: Arc<World>) {
    let mut stockbook = Stockbook::start(&world).await;
    let mut met = Met::default();
    let command = stockbook.command();
    command.put("/v1/locations/MAIN", json!({})).await.expect_status(201);
    unreadable(&command, &mut met).await;
    of_stock(&command, &mut met).await;
    of_reservations(&command, &mut met).await;
    of_transfers(&command, &mut met).await;
    of_orders(&command, &mut met).await;
    of_reversals(&command, &mut met).await;
    pressure::of_keys(&mut stockbook, &mut met).await;
    pressure::of_time_and_space(&mut stockbook, &mut met).await;
    of_sign_in(&mut stockbook, &mut met).await;
    of_persons(&world, &mut met).await;
    pressure::of_the_database(&mut stockbook, &mut met).await;

    let missed: Vec<&str> =
        TABLE.iter().map(|(code, ..)| *code).filter(|code| !met.0.contains(code)).collect();
    assert!(missed.is_empty(), "not met: {missed:?}");
    for (code, status, _) in TABLE {
        let page = command.get(&format!("/problems/{code}")).await.expect_status(200);
        assert!(page.body.contains(code) && page.body.contains(&status.to_string()), "{page:?}");
    }
    let mut unlisted = documented(&command).await;
    unlisted.retain(|code| !met.0.contains(code.as_str()));
    assert!(unlisted.is_empty(), "in openapi.json and not in the table: {unlisted:?}");
    stockbook.query().get("/v1/stock/NONE/MAIN").await.expect_problem(404, "unknown_sku");
    println!("{} problems met", met.0.len());
}

/// Another instance, whose callers sign in.
async fn of_sign_in(stockbook: &mut Stockbook, met: &mut Met) {
    let options = ["--name", "clerk", "--scope", "log:read", "--rate", "1"];
    let key = stockbook.api_key(&options).await;
    stockbook.add_command_service(&[("AUTH", "on")]).await;
    let instances = stockbook.instances();
    let strict = instances.last().expect("an instance");
    met.meet(strict.get("/v1/lanes").await, "unauthenticated");
    let clerk = strict.signed_in(&key);
    let asked = async || clerk.post("/v1/receipts", json!({})).await;
    let forbidden = eventually("the key is known", asked, |answer| answer.status == 403).await;
    met.meet(forbidden, "forbidden");
    let limited = eventually("it is too fast", asked, |answer| answer.status == 429).await;
    met.meet(limited, "rate_limited");
}

/// Another Stockbook, which keeps personal data.
async fn of_persons(world: &Arc<World>, met: &mut Met) {
    let mut stockbook = Stockbook::prepare(world, 1).await.keeping_personal().await;
    stockbook.add_command_service(&[]).await;
    stockbook.register(&["A"]).await;
    let command = stockbook.command();
    let mut receipt = lines_at_main(&[("A", 1)]);
    receipt["personal"] = json!({"subject": "c-81", "data": {"name": "Mrs Miller"}});
    let event = command.done("/v1/receipts", receipt).await.event_id(0);
    let mut keys = stockbook.keys_superuser().await;
    let path = format!("/v1/events/{event}/personal");
    let forgotten = command.try_send(Method::DELETE, "/v1/subjects/c-81", &[], None).await;
    forgotten.expect("the service answers").expect_status(200);
    met.meet(command.get(&path).await, "forgotten");
    let lost = sqlx::raw_sql("delete from subject_keys").execute(&mut keys).await;
    lost.expect("the superuser may");
    met.meet(command.get(&path).await, "personal_damaged");
}

/// The codes that openapi.json names, as the descriptions of answers that are problems.
async fn documented(command: &Api) -> BTreeSet<String> {
    let openapi = command.json("/openapi.json").await;
    let paths = openapi["paths"].as_object().expect("paths").values();
    let operations = paths.flat_map(|path| path.as_object().expect("operations").values());
    let answers =
        operations.flat_map(|operation| operation["responses"].as_object().expect("answers"));
    let problems = answers.filter(|(status, _)| status.as_str() >= "400");
    let codes: BTreeSet<String> = problems
        .flat_map(|(_, problem)| problem["description"].as_str().expect("codes").split(','))
        .map(|code| code.trim().to_owned())
        .collect();
    assert!(codes.contains("insufficient_stock"), "{codes:?}");
    codes
}

/// What is wrong with a request whatever is in stock.
async fn unreadable(command: &Api, met: &mut Met) {
    let raw = async |path: &str, kind: &str, body: Vec<u8>| {
        let kind = [("content-type", kind)];
        command.try_send(Method::POST, path, &kind, Some(body)).await.expect("an answer")
    };
    let json_type = "application/json";
    met.meet(raw("/v1/receipts", json_type, b"{".to_vec()).await, "malformed_body");
    met.meet(raw("/v1/receipts", json_type, b"{}".to_vec()).await, "validation_failed");
    met.meet(raw("/v1/receipts", "text/plain", b"{}".to_vec()).await, "unsupported_media_type");
    let large = raw("/v1/receipts", json_type, vec![b' '; (1 << 20) + 1]).await;
    assert_eq!(met.meet(large, "body_too_large")["limit"], 1 << 20);
    let many = json!({"mode": "atomic", "commands": vec![json!({"type": "receive_stock", "lines": []}); 1_001]});
    let many = met.meet(command.post("/v1/batches", many).await, "batch_too_large");
    assert_eq!(many["limit"], 1_000);
    let adjusted = json!({"lines": [{"sku": "A", "location": "MAIN", "delta": 1}]});
    met.meet(command.post("/v1/adjustments", adjusted).await, "reason_required");
    met.meet(command.get("/v1/receipts").await, "method_not_allowed");
    met.meet(command.get("/v1/nothing").await, "not_found");
    let foreign = [("host", "evil.example")];
    met.meet(command.get_with("/v1/lanes", &foreign).await, "forbidden_host");
    let foreign = [("origin", "https://evil.example")];
    let answer = command.send_with("POST", "/v1/receipts", &foreign, &json!({})).await;
    met.meet(answer, "forbidden_origin");
    met.meet(command.get("/v1/streams/stock/A/MAIN/events").await, "unknown_stream");
}

async fn of_stock(command: &Api, met: &mut Met) {
    for sku in ["A", "B"] {
        command.put(&format!("/v1/items/{sku}"), json!({})).await.expect_status(201);
    }
    let receive = async |lines: Value| command.post("/v1/receipts", lines).await;
    receive(lines_at_main(&[("A", 5)])).await.expect_status(200);
    let before = command.json("/v1/lanes").await;
    let unknown = met.meet(receive(lines_at_main(&[("NONE", 1)])).await, "unknown_sku");
    assert_eq!(unknown["sku"], "NONE");
    let nowhere = json!({"lines": [line_at("NONE", "A", 1)]});
    assert_eq!(met.meet(receive(nowhere).await, "unknown_location")["location"], "NONE");
    met.meet(receive(lines_at_main(&[("A", 9_007_199_254_740_991)])).await, "quantity_overflow");
    let mut early = lines_at_main(&[("A", 1)]);
    early["occurred_at"] = json!("1969-12-31T23:59:59Z");
    met.meet(receive(early).await, "occurred_at_out_of_range");
    let short = command.post("/v1/issues", lines_at_main(&[("A", 3), ("A", 3)])).await;
    let line = json!({"sku": "A", "location": "MAIN", "requested": 6, "available": 5});
    assert_eq!(met.meet(short, "insufficient_stock")["lines"], json!([line]));
    let count = json!({"quantity": 5, "expected_quantity": 4});
    let stale = met.meet(command.put("/v1/stock/A/MAIN", count).await, "stale_quantity");
    assert_has(&stale, json!({"expected": 4, "actual": 5}));
    let line = json!({"sku": "A", "location": "MAIN", "delta": 1, "expected_quantity": 6});
    let stale = json!({"reason": "cycle_count", "lines": [line]});
    let stale = met.meet(command.post("/v1/adjustments", stale).await, "stale_quantity");
    assert_has(&stale, json!({"expected": 6, "actual": 5}));
    let other = [("if-match", "\"9\"")];
    let other = command.send_with("PUT", "/v1/items/A", &other, &json!({"name": "a"})).await;
    assert_has(&met.meet(other, "version_conflict"), json!({"expected": 9, "actual": 1}));
    let mut other = lines_at_main(&[("A", 1)]);
    other["lines"][0]["expected_version"] = json!(0);
    let other = met.meet(command.post("/v1/issues", other).await, "version_conflict");
    assert_has(&other, json!({"expected": 0, "actual": 1}));
    met.meet(command.put("/v1/items/A", json!({"scale": 2})).await, "item_in_use");
    met.meet(command.post("/v1/items/A/retire", json!({})).await, "item_in_use");
    assert_eq!(command.json("/v1/lanes").await, before, "a refusal was recorded");
    command.done("/v1/items/B/retire", json!({})).await;
    met.meet(receive(lines_at_main(&[("B", 1)])).await, "item_retired");
}

async fn of_reservations(command: &Api, met: &mut Met) {
    let part = |quantity: i64| json!({"lines": [{"line": 1, "quantity": quantity}]});
    let brief = command.reserve("brief", 1, &[("A", 1)]).await.reservation_id();
    let held = command.reserve("long", 600, &[("A", 2)]).await.reservation_id();
    met.meet(command.step(&held, "fulfil", json!({})).await, "reservation_state");
    met.meet(command.step(&held, "release", part(3)).await, "over_release");
    command.take(&held, "confirm", json!({})).await;
    met.meet(command.step(&held, "fulfil", part(3)).await, "over_fulfil");
    met.meet(command.step(&held, "return", part(1)).await, "over_return");
    let last = if held.ends_with('0') { '1' } else { '0' };
    let unknown = format!("{}{last}", &held[..held.len() - 1]);
    met.meet(command.step(&unknown, "confirm", json!({})).await, "unknown_reservation");
    let release = async || command.step(&brief, "release", part(9)).await;
    let is_over = |answer: &Answer| !answer.body.contains("over_release");
    let late = eventually("the hold ends", release, is_over).await;
    met.meet(late, "reservation_expired");
}

async fn of_transfers(command: &Api, met: &mut Met) {
    command.put("/v1/locations/WEST", json!({})).await.expect_status(201);
    let lines = json!([{"sku": "A", "from": "MAIN", "to": "WEST", "quantity": 1}]);
    let sent = command.post("/v1/transfers", json!({"lines": lines})).await.expect_status(201);
    let id = sent.json()["transfer"]["id"].as_str().expect("an id").to_owned();
    let step = async |id: &str, step: &str, body: Value| {
        command.post(&format!("/v1/transfers/{id}/{step}"), body).await
    };
    let more = json!({"lines": [{"line": 1, "quantity": 2}]});
    let more = met.meet(step(&id, "receive", more).await, "over_receive");
    assert_has(&more, json!({"line": 1, "asked": 2, "possible": 1}));
    met.meet(step(&id, "close", json!({})).await, "reason_required");
    step(&id, "return", json!({})).await.expect_status(200);
    let done = met.meet(step(&id, "close", json!({"reason": "lost"})).await, "transfer_state");
    assert_eq!(done["transfer_status"], "returned");
    met.meet(step("17", "return", json!({})).await, "unknown_transfer");
}

async fn of_orders(command: &Api, met: &mut Met) {
    let mut order = lines_at_main(&[("C", 1)]);
    order["owner"] = json!("customer-1");
    order["payment"] = json!({});
    order["deadline_seconds"] = json!(300);
    // An unknown item fails an order; its placing is accepted all the same.
    let failed = command.post("/v1/orders", order).await.expect_status(202);
    let id = failed.json()["order"]["id"].as_str().expect("an id").to_owned();
    let cancel = async |id: &str| command.post(&format!("/v1/orders/{id}/cancel"), json!({})).await;
    assert_eq!(met.meet(cancel(&id).await, "order_state")["order_status"], "failed");
    met.meet(cancel("17").await, "unknown_order");
}

async fn of_reversals(command: &Api, met: &mut Met) {
    let reverse = async |event: &str| command.post("/v1/reversals", json!({"event": event})).await;
    met.meet(reverse("0-99999").await, "unknown_event");
    let received = command.post("/v1/receipts", lines_at_main(&[("A", 5)])).await;
    let issued = command.post("/v1/issues", lines_at_main(&[("A", 7)])).await;
    let received = received.expect_status(200).event_id(0);
    let issued = issued.expect_status(200).event_id(0);
    met.meet(reverse(&received).await, "not_reversible");
    reverse(&issued).await.expect_status(200);
    met.meet(reverse(&issued).await, "already_reversed");
    let mut issue = lines_at_main(&[("A", 99)]);
    issue["type"] = json!("issue_stock");
    let batch = json!({"mode": "atomic", "commands": [issue]});
    met.meet(command.post("/v1/batches", batch).await, "batch_refused");
}
