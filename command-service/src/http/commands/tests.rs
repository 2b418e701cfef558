//! Requests in, submissions or problems out.

mod batch;
mod reservation;
mod reversal;
mod order;
mod transfer;
mod hostile;

use axum::body::to_bytes;
use futures::executor::block_on;
use serde_json::{Map, Value, json};
use shared_events::lane::Version;

use super::catalogue::{RegisterItem, RegisterLocation, ReinstateItem, RetireItem};
use super::order::{CancelOrder, PlaceOrder, ResumeOrder};
use super::reservation::{
    CancelReservation, ConfirmReservation, ExtendReservation, FulfilReservation,
    ReleaseReservation, ReserveStock, ReturnReservation,
};
use super::reversal::Reverse;
use super::stock::{AdjustStock, IssueStock, MoveStock, ReceiveStock, SetStock};
use super::transfer::{CloseTransfer, DispatchTransfer, ReceiveTransfer, ReturnTransfer};
use super::*;

const RESERVATION: &str = "7-019a9f3c-5a3e-7cc1-8a05-0242ac120002";

/// What the paths of the tests' requests name.
const PATH: [(&str, &str); 4] =
    [("sku", "85123A"), ("location", "MAIN"), ("code", "MAIN"), ("id", RESERVATION)];

type Headers<'a> = &'a [(&'a str, &'a str)];

fn incoming<C: Command>(uri: &str, headers: Headers<'_>, body: &str) -> IncomingRequest {
    let is_named = |name: &str| C::Path::MEMBERS.iter().any(|member| member.name() == name);
    let path: Vec<_> = PATH.into_iter().filter(|(name, _)| is_named(name)).collect();
    IncomingRequest::for_test(&path, uri, headers, body)
}

fn parsed<C: Command>(uri: &str, headers: Headers<'_>, body: &str) -> Result<Submission, Problem> {
    parse::<C>(&incoming::<C>(uri, headers, body))
}

fn accepted<C: Command>(body: &Value) -> inventory::Request {
    only(parsed::<C>("/", &[], &body.to_string()).expect("a valid request"))
}

fn only(submission: Submission) -> inventory::Request {
    match submission.payload {
        Payload::One(request) => request,
        Payload::Together(requests) => panic!("several: {requests:?}"),
    }
}

fn document(problem: Problem) -> Value {
    let body = problem.into_response().into_body();
    let bytes = block_on(to_bytes(body, usize::MAX)).expect("a body");
    serde_json::from_slice(&bytes).expect("JSON")
}

fn refused<C: Command>(uri: &str, headers: Headers<'_>, body: &str) -> Value {
    document(parsed::<C>(uri, headers, body).expect_err("a refused request"))
}

/// The pointers of all faults, in their order.
fn faults_of(problem: &Value) -> Vec<&str> {
    assert_eq!(problem["type"], "/problems/validation_failed", "{problem}");
    let errors = problem["errors"].as_array().expect("errors");
    errors.iter().map(|error| error["pointer"].as_str().expect("a pointer")).collect()
}

type Pointers = fn(&Value) -> Vec<String>;

fn pointers<C: Command>(body: &Value) -> Vec<String> {
    let problem = refused::<C>("/", &[], &body.to_string());
    faults_of(&problem).into_iter().map(str::to_owned).collect()
}

/// A body with these members and every one that commands share.
fn with_cause(members: Value) -> Value {
    let shared = json!({
        "reason": "count", "reference": {"type": "invoice", "id": "536365", "line": "1"},
        "note": "two\nlines", "metadata": {"shelf": "A7", "empty": ""},
        "occurred_at": "2010-12-01T08:26:00Z",
    });
    let Value::Object(mut body) = shared else { unreachable!("an object") };
    body.extend(members.as_object().expect("an object").clone());
    Value::Object(body)
}

#[test]
fn every_member_is_part_of_the_command() {
    let line = json!({
        "sku": "85123A", "location": "MAIN", "delta": -6, "expected_quantity": 9,
        "expected_version": 3,
    });
    let body = with_cause(json!({"lines": [line], "accept_shortage": true}));
    let request = accepted::<AdjustStock>(&body);
    assert_eq!(request.occurred_at, "2010-12-01T08:26:00Z".parse().ok());
    let inventory::Command::AdjustStock(command) = request.command else {
        panic!("not an adjustment: {:?}", request.command);
    };
    assert!(command.accept_shortage);
    assert_eq!(command.lines.len(), 1);
    assert_eq!(command.lines[0].delta, -6);
    assert_eq!(command.lines[0].expected_quantity, Some(9));
    assert_eq!(command.lines[0].expected_version, Some(Version(3)));
    let cause = serde_json::to_value(&command.cause).expect("JSON");
    assert_eq!(
        cause,
        json!({
            "reason": "count", "reference": {"type": "invoice", "id": "536365", "line": "1"},
            "context": {"note": "two\nlines", "metadata": {"shelf": "A7", "empty": ""}},
        })
    );
}

#[test]
fn an_amount_is_a_positive_integer_that_every_reader_keeps_exact() {
    let body =
        |amount| format!(r#"{{"lines":[{{"sku":"A","location":"B","quantity":{amount}}}]}}"#);
    for bad in [
        "0",
        "-1",
        "1.5",
        "1e-1",
        "-0",
        "-0.0",
        "9007199254740992",
        "9007199254740992.0",
        "1e300",
        "9223372036854775808",
        "null",
        "\"10\"",
    ] {
        let problem = refused::<ReceiveStock>("/", &[], &body(bad));
        assert_eq!(problem["errors"][0]["pointer"], "/lines/0/quantity", "{bad}: {problem}");
        assert_eq!(problem["status"], 422);
    }
    for (good, amount) in [
        ("10", 10),
        ("10.0", 10),
        ("1e3", 1_000),
        ("1.5E1", 15),
        ("9007199254740991", 9_007_199_254_740_991),
        ("9007199254740991.0", 9_007_199_254_740_991),
    ] {
        let request = only(parsed::<ReceiveStock>("/", &[], &body(good)).expect("an amount"));
        let inventory::Command::ReceiveStock(command) = request.command else {
            panic!("not a receipt: {:?}", request.command);
        };
        assert_eq!(command.lines[0].quantity, amount, "{good}");
    }
}

#[test]
fn every_amount_may_be_written_with_an_exponent_or_an_empty_fraction() {
    for (plain, other) in [
        (
            json!({"quantity": 100, "expected_quantity": 3}),
            r#"{"quantity":1e2,"expected_quantity":3.0}"#,
        ),
        (
            json!({"quantity": 0, "expected_quantity": null}),
            r#"{"quantity":0.0,"expected_quantity":null}"#,
        ),
    ] {
        let other = only(parsed::<SetStock>("/", &[], other).expect("a count"));
        assert_eq!(other, accepted::<SetStock>(&plain));
    }
    let item = only(
        parsed::<RegisterItem>("/", &[], r#"{"scale":2.0,"reorder_point":1e1}"#).expect("an item"),
    );
    assert_eq!(item, accepted::<RegisterItem>(&json!({"scale": 2, "reorder_point": 10})));
}

#[test]
fn texts_may_have_line_breaks_and_tabs_but_no_other_control_characters() {
    let body = |text: &str| json!({"note": text, "metadata": {"address": text}});
    accepted::<RetireItem>(&body("1 Main St\n\tBerlin\r\nGermany"));
    for bad in ["\0", "\u{1b}", "\u{b}", "\u{85}"] {
        assert_eq!(pointers::<RetireItem>(&body(bad)), ["/note", "/metadata/address"], "{bad:?}");
    }
    assert_eq!(pointers::<RetireItem>(&json!({"metadata": {"a\nb": "x"}})), ["/metadata/a\nb"]);
}

#[test]
fn a_reference_has_a_type_by_which_queries_find_it() {
    let body = |kind: &str| json!({"reference": {"type": kind, "id": "eu/7"}});
    accepted::<RetireItem>(&body("po"));
    for bad in ["po/eu", "/", "po/"] {
        assert_eq!(pointers::<RetireItem>(&body(bad)), ["/reference/type"], "{bad}");
    }
}

#[test]
fn all_faults_are_reported_at_once_each_with_its_pointer() {
    let body = json!({
        "lines": [{"sku": "a b", "locatoin": "MAIN", "quantity": "x"}, 7, {}, ["A", "B", 1]],
        "reason": "Not A Code",
        "reference": {"type": "", "idd": 1},
        "note": "",
        "metadata": {"a/b~c": 1, "": "x"},
        "occurred_at": "2010-12-01T08:26:00+01:00",
        "x": 1,
    });
    assert_eq!(
        pointers::<ReceiveStock>(&body),
        [
            "/lines/0/sku",
            "/lines/0/location",
            "/lines/0/quantity",
            "/lines/0/locatoin",
            "/lines/1",
            "/lines/2/sku",
            "/lines/2/location",
            "/lines/2/quantity",
            "/lines/3",
            "/reason",
            "/occurred_at",
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

#[test]
fn a_value_outside_its_range_is_refused() {
    let long = |len: usize| "x".repeat(len);
    let line = json!({"sku": "A", "location": "B", "quantity": 1});
    let many: Map<String, Value> = (0..21).map(|number| (number.to_string(), json!("x"))).collect();
    let adjust = |delta: Value| json!({"reason": "count", "lines": [{"sku": "A", "location": "B", "delta": delta}]});
    let (item, receipt, adjustment) =
        (pointers::<RegisterItem>, pointers::<ReceiveStock>, pointers::<AdjustStock>);
    let cases: [(Pointers, Value, &str); 18] = [
        (item, json!([]), ""),
        (item, json!({"name": long(256)}), "/name"),
        (item, json!({"name": "a\u{7}"}), "/name"),
        (item, json!({"name": null}), "/name"),
        (item, json!({"scale": 7}), "/scale"),
        (item, json!({"unit": "Each"}), "/unit"),
        (item, json!({"reorder_point": -1}), "/reorder_point"),
        (item, json!({"metadata": many}), "/metadata"),
        (item, json!({"metadata": {(long(65)): ""}}), &*format!("/metadata/{}", long(65))),
        (item, json!({"metadata": {"a": long(256)}}), "/metadata/a"),
        (pointers::<RegisterLocation>, json!({"metadata": {}}), "/metadata"),
        (receipt, json!({"lines": []}), "/lines"),
        (receipt, json!({"lines": vec![line.clone(); 5_001]}), "/lines"),
        (receipt, json!({"lines": [line], "note": long(1_001)}), "/note"),
        (receipt, json!({"lines": [line], "purpose": "sale"}), "/purpose"),
        (adjustment, adjust(json!(0)), "/lines/0/delta"),
        (adjustment, adjust(json!(-9_007_199_254_740_992i64)), "/lines/0/delta"),
        (
            pointers::<SetStock>,
            json!({"quantity": 1, "expected_quantity": null, "accept_shortage": 1}),
            "/accept_shortage",
        ),
    ];
    for (pointers, body, pointer) in cases {
        assert_eq!(pointers(&body), [pointer], "{body}");
    }
    accepted::<ReceiveStock>(&json!({"lines": vec![line; 5_000]}));
}

#[test]
fn an_adjustment_without_a_reason_has_its_own_problem() {
    let line = json!({"sku": "A", "location": "B", "delta": 1});
    let problem = refused::<AdjustStock>("/", &[], &json!({"lines": [line]}).to_string());
    assert_eq!(problem["type"], "/problems/reason_required");
    assert_eq!(pointers::<AdjustStock>(&json!({"lines": []})), ["/lines", "/reason"]);
}

#[test]
fn a_body_that_is_not_json_or_names_a_member_twice_is_malformed() {
    for bad in [
        "",
        "{",
        "{} {}",
        r#"{"lines":[],"lines":[]}"#,
        r#"{"lines":[{"sku":"A","location":"B","quantity":1,"sku":"A"}]}"#,
        r#"{"lines":[{"sku":"A","location":"B","quantity":1}],"metadata":{"a":"1","a":"1"}}"#,
        r#"{"lines":[{"sku":"A","location":"B","quantity":1}],"x":[{"a":"1","a":"1"}]}"#,
    ] {
        let problem = refused::<ReceiveStock>("/", &[], bad);
        assert_eq!(problem["type"], "/problems/malformed_body", "{bad}");
    }
}

#[test]
fn headers_and_query_are_checked_together_with_the_body() {
    let long = "k".repeat(256);
    let problem = refused::<RegisterItem>(
        "/?validat_only=true&validate_only=maybe",
        &[
            ("Idempotency-Key", long.as_str()),
            ("Actor", ""),
            ("Correlation-Id", ""),
            ("If-Match", "7"),
        ],
        r#"{"x":1}"#,
    );
    let expected = [
        "/Idempotency-Key",
        "/Actor",
        "/Correlation-Id",
        "/If-Match",
        "/validate_only",
        "/validat_only",
        "/x",
    ];
    assert_eq!(faults_of(&problem), expected);
    let twice = refused::<RegisterItem>("/?validate_only=true&validate_only=true", &[], "{}");
    assert_eq!(faults_of(&twice), ["/validate_only"]);
    let once = parsed::<RegisterItem>("/?validate_only=true", &[], "{}");
    assert!(once.expect("a valid request").validate_only);
}

#[test]
fn a_precondition_is_never_ignored() {
    let headers = [("If-Match", "\"7\"")];
    let request = only(parsed::<RegisterItem>("/", &headers, "{}").expect("a valid request"));
    let inventory::Command::RegisterItem(command) = request.command else {
        panic!("not an item: {:?}", request.command);
    };
    assert_eq!(command.precondition, Some(Precondition::Version(Version(7))));
    let lines = json!({"lines": [{"sku": "A", "location": "B", "quantity": 1}]}).to_string();
    for name in ["If-Match", "If-None-Match", "If-Unmodified-Since"] {
        let problem = refused::<ReceiveStock>("/", &[(name, "*")], &lines);
        assert_eq!(faults_of(&problem), [format!("/{name}")]);
    }
}

#[test]
fn path_parameters_are_checked_like_members() {
    let refused = |parse: fn(&IncomingRequest) -> Result<Submission, Problem>,
                   path: Headers<'_>,
                   body: &str| {
        let incoming = IncomingRequest::for_test(path, "/", &[], body);
        document(parse(&incoming).expect_err("a refused request"))
    };
    let item = refused(parse::<RegisterItem>, &[("sku", "a/b")], r#"{"x":1}"#);
    assert_eq!(faults_of(&item), ["/sku", "/x"]);
    let location = refused(parse::<RegisterLocation>, &[("code", "..")], r#"{"x":1}"#);
    assert_eq!(faults_of(&location), ["/code", "/x"]);
    let count = r#"{"quantity":1,"expected_quantity":null,"x":1}"#;
    let stock = refused(parse::<SetStock>, &[("sku", "A"), ("location", "")], count);
    assert_eq!(faults_of(&stock), ["/location", "/x"]);
    // A body must not name what the path names.
    assert_eq!(pointers::<RegisterItem>(&json!({"sku": "85123A"})), ["/sku"]);
}

#[test]
fn the_fingerprint_of_a_request_is_its_route_and_body() {
    let hash = |uri: &str, headers: &[(&str, &str)], body: &str| {
        let mut all = vec![("Idempotency-Key", "k1")];
        all.extend(headers);
        let submission = parsed::<RegisterItem>(uri, &all, body);
        submission.expect("a valid request").key.expect("a key").request_hash
    };
    let first = hash("/v1/items/A", &[], "{}");
    assert_eq!(first, hash("/v1/items/A", &[("Actor", "till-4"), ("Correlation-Id", "c")], "{}"));
    assert_ne!(first, hash("/v1/items/B", &[], "{}"));
    assert_ne!(first, hash("/v1/items/A", &[], "{ }"));
}

#[test]
fn a_count_names_the_expected_quantity_or_null() {
    let read = |expected: Value| {
        let body = json!({"quantity": 5, "expected_quantity": expected});
        let inventory::Command::SetStock(command) = accepted::<SetStock>(&body).command else {
            panic!("not a count")
        };
        command.expected_quantity
    };
    assert_eq!((read(json!(null)), read(json!(7))), (None, Some(7)));
    assert_eq!(pointers::<SetStock>(&json!({"quantity": 5})), ["/expected_quantity"]);
}

#[test]
fn goods_move_to_another_location() {
    let line = json!({"sku": "A", "from": "MAIN", "to": "MAIN", "quantity": 1});
    let body = json!({"lines": [7, line], "x": 1});
    assert_eq!(pointers::<MoveStock>(&body), ["/lines/0", "/lines/1/to", "/x"]);
}
