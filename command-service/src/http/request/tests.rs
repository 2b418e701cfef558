//! Requests in, submissions or problems out.

mod batch;
mod described;
mod reservation;
mod reversal;

use axum::body::{Bytes, to_bytes};
use axum::http::Request;
use axum::response::IntoResponse;
use serde_json::{Value, json};
use tokio::time::Instant;

use self::described::full;
use super::*;
use crate::inventory::{self, Command};

/// A reservation's id.
const ID: &str = "7-019a9f3c-5a3e-7cc1-8a05-0242ac120002";

/// What the paths of the tests' requests name.
const PATH: [(&str, &str); 4] =
    [("sku", "85123A"), ("location", "MAIN"), ("code", "MAIN"), ("id", ID)];

fn arrived(uri: &str, headers: &[(&str, &str)], body: &str) -> Arrived {
    let mut request = Request::builder().method("POST").uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (head, ()) = request.body(()).expect("a request").into_parts();
    let body = Bytes::from(body.to_owned());
    Arrived { head, path: PATH.into_iter().collect(), body, deadline: Instant::now() }
}

/// A request with nothing to say beside its body.
fn plain(body: &Value) -> Arrived {
    arrived("/", &[], &body.to_string())
}

fn accepted(form: Form, body: &Value) -> inventory::Request {
    only(parse(form, &plain(body)).expect("a valid request"))
}

fn only(submission: Submission) -> inventory::Request {
    match submission.asked {
        Asked::One(request) => request,
        Asked::Together(requests) => panic!("several: {requests:?}"),
    }
}

/// The problem document.
async fn document(problem: Problem) -> Value {
    let bytes = to_bytes(problem.into_response().into_body(), usize::MAX).await.expect("a body");
    serde_json::from_slice(&bytes).expect("JSON")
}

async fn refused(form: Form, arrived: &Arrived) -> Value {
    document(parse(form, arrived).expect_err("a refused request")).await
}

/// The pointers of all faults, in the order told.
fn faults_of(problem: &Value) -> Vec<&str> {
    assert_eq!(problem["type"], "/problems/validation_failed", "{problem}");
    let errors = problem["errors"].as_array().expect("errors");
    errors.iter().map(|error| error["pointer"].as_str().expect("a pointer")).collect()
}

async fn pointers(form: Form, body: &Value) -> Vec<String> {
    let problem = refused(form, &plain(body)).await;
    faults_of(&problem).into_iter().map(str::to_owned).collect()
}

#[test]
fn every_member_arrives_in_the_command() {
    let request = accepted(Form::Adjustment, &full(Form::Adjustment));
    assert_eq!(request.occurred_at, "2010-12-01T08:26:00Z".parse().ok());
    let Command::AdjustStock(command) = request.command else {
        panic!("not an adjustment: {:?}", request.command);
    };
    assert!(command.accept_shortage);
    assert_eq!(command.lines.len(), 1);
    assert_eq!(command.lines[0].delta, -6);
    assert_eq!(command.lines[0].expected_quantity, Some(9));
    assert_eq!(command.lines[0].expected_version.map(|version| version.0), Some(3));
    let cause = serde_json::to_value(&command.cause).expect("JSON");
    assert_eq!(
        cause,
        json!({
            "reason": "count", "reference": {"type": "invoice", "id": "536365", "line": "1"},
            "context": {"note": "two\nlines", "metadata": {"shelf": "A7", "empty": ""}},
        })
    );
}

#[tokio::test]
async fn an_amount_is_a_positive_integer_that_every_reader_keeps_exact() {
    for bad in
        ["0", "-1", "1.5", "1.0", "1e2", "-0", "9007199254740992", "9223372036854775808", "null"]
    {
        let body = format!(r#"{{"lines":[{{"sku":"A","location":"B","quantity":{bad}}}]}}"#);
        let problem = refused(Form::Receipt, &arrived("/", &[], &body)).await;
        assert_eq!(problem["errors"][0]["pointer"], "/lines/0/quantity", "{bad}: {problem}");
        assert_eq!(problem["status"], 422);
    }
    let most = json!({"lines": [{"sku": "A", "location": "B", "quantity": 9007199254740991i64}]});
    accepted(Form::Receipt, &most);
}

#[tokio::test]
async fn all_faults_are_told_at_once_each_with_its_place() {
    let body = json!({
        "lines": [{"sku": "a b", "locatoin": "MAIN", "quantity": "x"}, 7, {}],
        "reason": "Not A Code",
        "reference": {"type": "", "idd": 1},
        "note": "",
        "metadata": {"a/b~c": 1, "": "x"},
        "occurred_at": "2010-12-01T08:26:00+01:00",
        "x": 1,
    });
    assert_eq!(
        pointers(Form::Receipt, &body).await,
        [
            "/occurred_at",
            "/lines/0/sku",
            "/lines/0/location",
            "/lines/0/quantity",
            "/lines/0/locatoin",
            "/lines/1",
            "/lines/2/sku",
            "/lines/2/location",
            "/lines/2/quantity",
            "/reason",
            "/reference/type",
            "/reference/id",
            "/reference/idd",
            "/note",
            "/metadata/",
            "/metadata/a~1b~0c",
            "/x",
        ]
    );
}

#[tokio::test]
async fn what_is_out_of_its_range_is_refused_at_its_place() {
    let long = |len: usize| "x".repeat(len);
    let line = json!({"sku": "A", "location": "B", "quantity": 1});
    let many: serde_json::Map<String, Value> =
        (0..21).map(|number| (number.to_string(), json!("x"))).collect();
    let adjust = |delta: Value| json!({"reason": "count", "lines": [{"sku": "A", "location": "B", "delta": delta}]});
    let cases = [
        (Form::Item, json!([]), ""),
        (Form::Item, json!({"name": long(256)}), "/name"),
        (Form::Item, json!({"name": "a\u{7}"}), "/name"),
        (Form::Item, json!({"scale": 7}), "/scale"),
        (Form::Item, json!({"unit": "Each"}), "/unit"),
        (Form::Item, json!({"reorder_point": -1}), "/reorder_point"),
        (Form::Item, json!({"metadata": many}), "/metadata"),
        (Form::Item, json!({"metadata": {(long(65)): ""}}), &*format!("/metadata/{}", long(65))),
        (Form::Item, json!({"metadata": {"a": long(256)}}), "/metadata/a"),
        (Form::Item, json!({"name": null}), "/name"),
        (Form::Location, json!({"metadata": {}}), "/metadata"),
        (Form::Receipt, json!({"lines": []}), "/lines"),
        (Form::Receipt, json!({"lines": vec![line.clone(); 5_001]}), "/lines"),
        (Form::Receipt, json!({"lines": [line], "note": long(1_001)}), "/note"),
        (Form::Receipt, json!({"lines": [line], "purpose": "sale"}), "/purpose"),
        (Form::Adjustment, adjust(json!(0)), "/lines/0/delta"),
        (Form::Adjustment, adjust(json!(-9_007_199_254_740_992i64)), "/lines/0/delta"),
    ];
    for (form, body, pointer) in cases {
        assert_eq!(pointers(form, &body).await, [pointer], "{body}");
    }
    accepted(Form::Receipt, &json!({"lines": vec![line; 5_000]}));
}

#[tokio::test]
async fn an_adjustment_without_a_reason_has_its_own_problem() {
    let line = json!({"sku": "A", "location": "B", "delta": 1});
    let problem = refused(Form::Adjustment, &plain(&json!({"lines": [line]}))).await;
    assert_eq!(problem["type"], "/problems/reason_required");
    assert_eq!(pointers(Form::Adjustment, &json!({"lines": []})).await, ["/lines", "/reason"]);
}

#[tokio::test]
async fn a_body_that_is_not_json_is_malformed() {
    for bad in ["", "{", r#"{"lines":[],"lines":[]}"#] {
        let problem = refused(Form::Receipt, &arrived("/", &[], bad)).await;
        assert_eq!(problem["type"], "/problems/malformed_body", "{bad}");
    }
}

#[tokio::test]
async fn headers_and_query_are_checked_with_the_body() {
    let long = "k".repeat(256);
    let bad = arrived(
        "/?validat_only=true&validate_only=maybe",
        &[
            ("Idempotency-Key", long.as_str()),
            ("Actor", ""),
            ("Correlation-Id", ""),
            ("If-Match", "7"),
        ],
        r#"{"x":1}"#,
    );
    let problem = refused(Form::Item, &bad).await;
    assert_eq!(
        faults_of(&problem),
        [
            "/Idempotency-Key",
            "/Actor",
            "/Correlation-Id",
            "/If-Match",
            "/validate_only",
            "/validat_only",
            "/x"
        ]
    );
}

#[tokio::test]
async fn a_precondition_is_never_passed_over() {
    let guarded = |body: &Value| arrived("/", &[("If-Match", "\"7\"")], &body.to_string());
    let request = only(parse(Form::Item, &guarded(&json!({}))).expect("a valid request"));
    let Command::RegisterItem(command) = request.command else {
        panic!("not an item: {:?}", request.command);
    };
    assert_eq!(command.expected_version.map(|version| version.0), Some(7));
    let lines = json!({"lines": [{"sku": "A", "location": "B", "quantity": 1}]});
    assert_eq!(faults_of(&refused(Form::Receipt, &guarded(&lines)).await), ["/If-Match"]);
}

#[tokio::test]
async fn what_the_path_names_is_checked_like_a_member() {
    for (form, name, bad, pointer) in [
        (Form::Item, "sku", "a/b", "/sku"),
        (Form::Location, "code", "..", "/code"),
        (Form::Count, "location", "", "/location"),
    ] {
        let path = PATH.map(|(known, value)| (known, if known == name { bad } else { value }));
        let body = json!({"quantity": 1, "expected_quantity": null, "x": 1});
        let body = if form == Form::Count { body } else { json!({"x": 1}) };
        let arrived = Arrived { path: path.into_iter().collect(), ..plain(&body) };
        assert_eq!(faults_of(&refused(form, &arrived).await), [pointer, "/x"]);
    }
    // A body does not speak of what the path names.
    assert_eq!(pointers(Form::Item, &json!({"sku": "85123A"})).await, ["/sku"]);
}

#[test]
fn the_fingerprint_of_a_request_is_its_route_and_body() {
    let hash = |uri: &str, headers: &[(&str, &str)], body: &str| {
        let mut all = vec![("Idempotency-Key", "k1")];
        all.extend(headers);
        let submission = parse(Form::Item, &arrived(uri, &all, body)).expect("a valid request");
        submission.key.expect("a key").request_hash
    };
    let first = hash("/v1/items/A", &[], "{}");
    assert_eq!(first, hash("/v1/items/A", &[("Actor", "till-4"), ("Correlation-Id", "c")], "{}"));
    assert_ne!(first, hash("/v1/items/B", &[], "{}"));
    assert_ne!(first, hash("/v1/items/A", &[], "{ }"));
}

#[tokio::test]
async fn a_count_says_what_it_expects_even_if_that_is_nothing_in_particular() {
    let read = |expected: Value| {
        let body = json!({"quantity": 5, "expected_quantity": expected});
        let Command::SetStock(command) = accepted(Form::Count, &body).command else {
            panic!("not a count")
        };
        command.expected_quantity
    };
    assert_eq!((read(json!(null)), read(json!(7))), (None, Some(7)));
    assert_eq!(pointers(Form::Count, &json!({"quantity": 5})).await, ["/expected_quantity"]);
}

#[tokio::test]
async fn goods_move_to_another_location() {
    let line = json!({"sku": "A", "from": "MAIN", "to": "MAIN", "quantity": 1});
    assert_eq!(pointers(Form::Move, &json!({"lines": [line]})).await, ["/lines/0/to"]);
}
