//! Requests in, submissions or problems out.

mod described;

use axum::body::{Bytes, to_bytes};
use axum::http::Request;
use axum::http::request::Parts;
use axum::response::IntoResponse;
use serde_json::{Value, json};
use tokio::time::Instant;

use self::described::full;
use super::*;
use crate::inventory::Command;

fn head(uri: &str, headers: &[(&str, &str)]) -> Parts {
    let mut request = Request::builder().method("POST").uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).expect("a request").into_parts().0
}

fn parsed(form: &Form, head: &Parts, body: &str) -> Result<Submission, Problem> {
    parse(form, head, &Bytes::from(body.to_owned()), Instant::now())
}

fn accepted(form: &Form, body: &Value) -> Submission {
    parsed(form, &head("/", &[]), &body.to_string()).expect("a valid request")
}

/// The problem document.
async fn refused(form: &Form, head: &Parts, body: &str) -> Value {
    let problem = parsed(form, head, body).expect_err("a refused request");
    let bytes = to_bytes(problem.into_response().into_body(), usize::MAX).await.expect("a body");
    serde_json::from_slice(&bytes).expect("JSON")
}

/// The pointers of all faults, in the order told.
async fn pointers(form: &Form, body: &Value) -> Vec<String> {
    let problem = refused(form, &head("/", &[]), &body.to_string()).await;
    assert_eq!(problem["type"], "/problems/validation_failed", "{problem}");
    let errors = problem["errors"].as_array().expect("errors");
    errors.iter().map(|error| error["pointer"].as_str().expect("a pointer").to_owned()).collect()
}

fn item() -> Form {
    Form::Item { sku: "85123A".to_owned() }
}

fn location() -> Form {
    Form::Location { code: "MAIN".to_owned() }
}

#[test]
fn every_member_arrives_in_the_command() {
    let submission = accepted(&Form::Adjustment, &full(&Form::Adjustment));
    assert_eq!(submission.request.occurred_at, "2010-12-01T08:26:00Z".parse().ok());
    let Command::AdjustStock(command) = submission.request.command else {
        panic!("not an adjustment: {:?}", submission.request.command);
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
        let problem = refused(&Form::Receipt, &head("/", &[]), &body).await;
        assert_eq!(problem["errors"][0]["pointer"], "/lines/0/quantity", "{bad}: {problem}");
        assert_eq!(problem["status"], 422);
    }
    let most = json!({"lines": [{"sku": "A", "location": "B", "quantity": 9007199254740991i64}]});
    accepted(&Form::Receipt, &most);
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
        pointers(&Form::Receipt, &body).await,
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
        (item(), json!([]), ""),
        (item(), json!({"name": long(256)}), "/name"),
        (item(), json!({"name": "a\u{7}"}), "/name"),
        (item(), json!({"scale": 7}), "/scale"),
        (item(), json!({"unit": "Each"}), "/unit"),
        (item(), json!({"reorder_point": -1}), "/reorder_point"),
        (item(), json!({"metadata": many}), "/metadata"),
        (item(), json!({"metadata": {(long(65)): ""}}), &*format!("/metadata/{}", long(65))),
        (item(), json!({"metadata": {"a": long(256)}}), "/metadata/a"),
        (item(), json!({"name": null}), "/name"),
        (Form::Item { sku: "a/b".to_owned() }, json!({}), "/sku"),
        (Form::Location { code: "..".to_owned() }, json!({}), "/code"),
        (location(), json!({"metadata": {}}), "/metadata"),
        (Form::Receipt, json!({"lines": []}), "/lines"),
        (Form::Receipt, json!({"lines": vec![line.clone(); 5_001]}), "/lines"),
        (Form::Receipt, json!({"lines": [line], "note": long(1_001)}), "/note"),
        (Form::Receipt, json!({"lines": [line], "purpose": "sale"}), "/purpose"),
        (Form::Adjustment, adjust(json!(0)), "/lines/0/delta"),
        (Form::Adjustment, adjust(json!(-9_007_199_254_740_992i64)), "/lines/0/delta"),
    ];
    for (form, body, pointer) in cases {
        assert_eq!(pointers(&form, &body).await, [pointer], "{body}");
    }
    accepted(&Form::Receipt, &json!({"lines": vec![line; 5_000]}));
}

#[tokio::test]
async fn an_adjustment_without_a_reason_has_its_own_problem() {
    let line = json!({"sku": "A", "location": "B", "delta": 1});
    let problem =
        refused(&Form::Adjustment, &head("/", &[]), &json!({"lines": [line]}).to_string()).await;
    assert_eq!(problem["type"], "/problems/reason_required");
    assert_eq!(pointers(&Form::Adjustment, &json!({"lines": []})).await, ["/lines", "/reason"]);
}

#[tokio::test]
async fn a_body_that_is_not_json_is_malformed() {
    for bad in ["", "{", r#"{"lines":[],"lines":[]}"#] {
        let problem = refused(&Form::Receipt, &head("/", &[]), bad).await;
        assert_eq!(problem["type"], "/problems/malformed_body", "{bad}");
    }
}

#[tokio::test]
async fn headers_and_query_are_checked_with_the_body() {
    let long = "k".repeat(256);
    let bad = head(
        "/?validat_only=true&validate_only=maybe",
        &[
            ("Idempotency-Key", long.as_str()),
            ("Actor", ""),
            ("Correlation-Id", ""),
            ("If-Match", "7"),
        ],
    );
    let problem = refused(&item(), &bad, r#"{"x":1}"#).await;
    let errors = problem["errors"].as_array().expect("errors");
    let pointers: Vec<&str> = errors.iter().filter_map(|error| error["pointer"].as_str()).collect();
    assert_eq!(
        pointers,
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
    let guarded = head("/", &[("If-Match", "\"7\"")]);
    let submission = parsed(&item(), &guarded, "{}").expect("a valid request");
    let Command::RegisterItem(command) = submission.request.command else {
        panic!("not an item: {:?}", submission.request.command);
    };
    assert_eq!(command.expected_version.map(|version| version.0), Some(7));
    let lines = json!({"lines": [{"sku": "A", "location": "B", "quantity": 1}]}).to_string();
    let problem = refused(&Form::Receipt, &guarded, &lines).await;
    assert_eq!(problem["errors"][0]["pointer"], "/If-Match");
}

#[test]
fn the_fingerprint_of_a_request_is_its_route_and_body() {
    let hash = |uri: &str, headers: &[(&str, &str)], body: &str| {
        let mut all = vec![("Idempotency-Key", "k1")];
        all.extend(headers);
        let submission = parsed(&item(), &head(uri, &all), body).expect("a valid request");
        submission.key.expect("a key").request_hash
    };
    let first = hash("/v1/items/A", &[], "{}");
    assert_eq!(first, hash("/v1/items/A", &[("Actor", "till-4"), ("Correlation-Id", "c")], "{}"));
    assert_ne!(first, hash("/v1/items/B", &[], "{}"));
    assert_ne!(first, hash("/v1/items/A", &[], "{ }"));
}

#[tokio::test]
async fn a_count_says_what_it_expects_even_if_that_is_nothing_in_particular() {
    let form = Form::Count { sku: "85123A".to_owned(), location: "MAIN".to_owned() };
    let read = |expected: Value| {
        let submission = accepted(&form, &json!({"quantity": 5, "expected_quantity": expected}));
        let Command::SetStock(command) = submission.request.command else { panic!("not a count") };
        command.expected_quantity
    };
    assert_eq!((read(json!(null)), read(json!(7))), (None, Some(7)));
    assert_eq!(pointers(&form, &json!({"quantity": 5})).await, ["/expected_quantity"]);
}

#[tokio::test]
async fn goods_move_to_another_location() {
    let line = json!({"sku": "A", "from": "MAIN", "to": "MAIN", "quantity": 1});
    assert_eq!(pointers(&Form::Move, &json!({"lines": [line]})).await, ["/lines/0/to"]);
}
