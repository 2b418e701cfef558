//! Whatever a body is, it is a command or a problem that says where it is wrong, and nothing panics.

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::http::commands::{batch, reversal};

/// A request that is right, and how its kind is parsed.
type Case = (&'static str, fn(&str) -> Result<(), Problem>);

fn command<C: Command>(body: &str) -> Result<(), Problem> {
    parsed::<C>("/", &[], body).map(drop)
}

fn several(body: &str) -> Result<(), Problem> {
    batch::parse(&IncomingRequest::for_test(&[], "/", &[], body), false).map(drop)
}

fn reverse(body: &str) -> Result<(), Problem> {
    reversal::parse(&IncomingRequest::for_test(&[], "/", &[], body)).map(drop)
}

const CASES: [Case; 14] = [
    (
        r#"{"lines":[{"sku":"A","location":"B","quantity":9007199254740991}]}"#,
        command::<ReceiveStock>,
    ),
    (
        r#"{"lines":[{"sku":"A","location":"B","quantity":1,"expected_version":3}],"purpose":"sale","note":"\u00e9","metadata":{"shelf":"A7"},"reference":{"type":"invoice","id":"1","line":"2"}}"#,
        command::<IssueStock>,
    ),
    (
        r#"{"lines":[{"sku":"A","location":"B","delta":-6,"expected_quantity":9}],"reason":"count","accept_shortage":true}"#,
        command::<AdjustStock>,
    ),
    (
        r#"{"quantity":7,"expected_quantity":9,"reason":"count","occurred_at":"2010-12-01T08:26:00.5Z"}"#,
        command::<SetStock>,
    ),
    (r#"{"lines":[{"sku":"A","from":"B","to":"C","quantity":1}]}"#, command::<MoveStock>),
    (
        r#"{"name":"A","scale":6,"unit":"kg","reorder_point":5,"metadata":{"k":"v"}}"#,
        command::<RegisterItem>,
    ),
    (r#"{"name":"A","kind":"store"}"#, command::<RegisterLocation>),
    (
        r#"{"owner":"cart-7","ttl_seconds":60,"lines":[{"sku":"A","location":"B","quantity":1}],"policy":"wait","wait_seconds":9,"priority":3,"personal":{"subject":"c-1","data":{"name":"x"}}}"#,
        command::<ReserveStock>,
    ),
    (r#"{"lines":[{"line":2,"quantity":1}]}"#, command::<ReleaseReservation>),
    (
        r#"{"lines":[{"sku":"A","from":"B","to":"C","quantity":1}],"expected_at":"2030-01-01T00:00:00Z"}"#,
        command::<DispatchTransfer>,
    ),
    (r#"{"lines":[{"line":1,"quantity":1}]}"#, command::<ReceiveTransfer>),
    (
        r#"{"owner":"c","lines":[{"sku":"A","location":"B","quantity":1}],"payment":{"method":"m-1"},"deadline_seconds":900}"#,
        command::<PlaceOrder>,
    ),
    (
        r#"{"mode":"independent","commands":[{"type":"receive_stock","lines":[{"sku":"A","location":"B","quantity":1}],"idempotency_key":"k"}]}"#,
        several,
    ),
    (r#"{"event":"3-17","reason":"mistake"}"#, reverse),
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn a_body_is_a_command_or_a_problem_of_the_caller(
        which in any::<Index>(),
        edits in prop::collection::vec(
            (any::<Index>(), 0..5_usize, "[\"{}\\[\\],:0-9eE.nul\\\\\\-\u{0}-\u{7f}é\u{10ffff}]{0,4}"),
            0..4,
        ),
        other in any::<Index>(),
    ) {
        let (text, read) = CASES[which.index(CASES.len())];
        let mut text: Vec<char> = text.chars().collect();
        for (place, removed, added) in edits {
            let from = place.index(text.len() + 1);
            let to = (from + removed).min(text.len());
            text.splice(from..to, added.chars());
        }
        let text = String::from_iter(text);
        for read in [read, CASES[other.index(CASES.len())].1] {
            if let Err(problem) = read(&text) {
                let status = problem.into_response().status();
                prop_assert!(status.is_client_error(), "{}: {}", status, text);
            }
        }
    }
}

#[test]
fn the_bodies_to_begin_with_are_right() {
    for (text, read) in CASES {
        if let Err(problem) = read(text) {
            let problem = document(problem);
            panic!("{text}: {problem}");
        }
    }
}
