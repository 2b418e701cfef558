//! Reversals of events, correlations, reversals and windows.

use super::*;
use crate::http::commands::reversal::{Reversal, parse};
use crate::inventory::Target;
use crate::reversals::WindowBy;

const REVERSAL: &str = "019a9f3c-5a3e-7cc1-8a05-0242ac120002";

/// Every way to name what is reversed, with every member there is.
fn targets() -> [Value; 4] {
    [
        json!({"event": "3-1042"}),
        json!({"correlation_id": "order 7"}),
        json!({"reversal": REVERSAL}),
        json!({"window": {
            "by": "occurred_at", "from": "2010-12-01T00:00:00Z", "to": "2010-12-02T00:00:00Z",
            "sku": "85123A", "location": "MAIN", "actor": "till-4",
        }}),
    ]
}

fn read(uri: &str, headers: Headers<'_>, body: &Value) -> Result<Reversal, Problem> {
    parse(&incoming::<Reverse>(uri, headers, &body.to_string()))
}

fn accepted(body: &Value) -> Reversal {
    read("/", &[], body).expect("a valid request")
}

fn faults(body: &Value) -> Vec<String> {
    let problem = document(read("/", &[], body).expect_err("a refused request"));
    faults_of(&problem).into_iter().map(str::to_owned).collect()
}

fn target(reversal: Reversal) -> Target {
    let Reversal::Now(submission) = reversal else { panic!("not at once: {reversal:?}") };
    match only(*submission).command {
        inventory::Command::Reverse(command) => command.target,
        other => panic!("not a reversal: {other:?}"),
    }
}

#[test]
fn an_event_a_correlation_or_a_reversal_is_reversed_by_one_command() {
    let [event, correlation, reversal, _] = targets();
    assert_eq!(target(accepted(&event)), Target::Event("3-1042".parse().expect("an id")));
    let label = "order 7".parse().expect("a label");
    assert_eq!(target(accepted(&correlation)), Target::Correlation(label));
    assert_eq!(target(accepted(&reversal)), Target::Reversal(REVERSAL.parse().expect("an id")));
}

#[test]
fn a_dry_run_is_only_validated() {
    let Reversal::Now(submission) = accepted(&json!({"event": "3-1042", "dry_run": true})) else {
        panic!("not at once");
    };
    assert!(submission.validate_only);
}

#[test]
fn a_window_is_a_job_with_the_requests_key_and_origin() {
    let [.., body] = targets();
    let headers = [("Idempotency-Key", "k1"), ("Actor", "clerk-1")];
    for (uri, is_dry) in [("/", false), ("/?validate_only=true", true)] {
        let read = read(uri, &headers, &body);
        let Ok(Reversal::Window { request, dry_run }) = read else {
            panic!("not a window: {read:?}");
        };
        assert_eq!(dry_run, is_dry);
        assert_eq!(request.by, WindowBy::OccurredAt);
        assert_eq!(request.actor, "till-4".parse().ok());
        assert_eq!(request.origin.actor, "clerk-1".parse().ok());
        assert_eq!(request.key.map(|key| key.key), "k1".parse().ok());
    }
}

#[test]
fn a_reversal_has_exactly_one_target() {
    assert_eq!(faults(&json!({})), [""]);
    assert_eq!(faults(&json!({"event": "3-1042", "reversal": REVERSAL})), [""]);
    assert_eq!(faults(&json!({"event": "3-01"})), ["/event"]);
    assert_eq!(faults(&json!({"reversal": "17"})), ["/reversal"]);
    let when = json!({"event": "3-1042", "occurred_at": "2010-12-01T08:26:00Z"});
    assert_eq!(faults(&when), ["/occurred_at"]);
}

#[test]
fn a_window_ends_after_it_begins() {
    let window = |to: &str| json!({"window": {"by": "recorded_at", "from": "2010-12-01T00:00:00Z", "to": to}});
    assert_eq!(faults(&window("2010-12-01T00:00:00Z")), ["/window/to"]);
    accepted(&window("2010-12-01T00:00:00.000001Z"));
    let bad = json!({"window": {"by": "now", "x": 1}});
    assert_eq!(faults(&bad), ["/window/by", "/window/from", "/window/to", "/window/x"]);
}
