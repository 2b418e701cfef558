//! Orders.

use shared_events::slot::slot_of;

use super::*;
use crate::inventory::OrderChange;

fn order(payment: Value) -> Value {
    let line = |sku: &str| json!({"sku": sku, "location": "MAIN", "quantity": 2});
    json!({
        "owner": "customer-17850", "lines": [line("85123A"), line("B")], "payment": payment,
        "deadline_seconds": 900,
    })
}

#[test]
fn an_orders_id_has_the_slot_of_its_first_lines_item_and_names_its_reservation() {
    let body = order(json!({"method": "m-1"}));
    let made = || match accepted::<PlaceOrder>(&body).command {
        inventory::Command::PlaceOrder(command) => command,
        other => panic!("not an order: {other:?}"),
    };
    let (first, second) = (made(), made());
    assert_eq!(first.id.slot(), slot_of("85123A"));
    assert_eq!(first.id.reservation().as_str(), first.id.as_str());
    assert_ne!(first.id, second.id);
    let lines: Vec<_> = first.lines.iter().map(|line| (line.line, line.requested)).collect();
    assert_eq!(lines, [(1, 2), (2, 2)]);
}

#[test]
fn an_order_is_cancelled_or_resumed_with_or_without_a_reason() {
    for body in [json!({}), json!({"reason": "changed_mind"})] {
        for (request, change) in [
            (accepted::<CancelOrder>(&body), OrderChange::Cancel),
            (accepted::<ResumeOrder>(&body), OrderChange::Resume),
        ] {
            match request.command {
                inventory::Command::ChangeOrder(command) => assert_eq!(command.change, change),
                other => panic!("not a change: {other:?}"),
            }
        }
    }
}

#[test]
fn faults_of_an_order_are_reported_at_their_members() {
    let place = pointers::<PlaceOrder>;
    for payment in
        [json!("m-1"), json!({"method": "a\u{0}b"}), json!({"method": "x".repeat(4_096)})]
    {
        assert_eq!(place(&order(payment.clone())), ["/payment"], "{payment}");
    }
    let mut body = order(json!({"nested": {"list": [1, "two", null]}}));
    accepted::<PlaceOrder>(&body);
    body["deadline_seconds"] = json!(0);
    body["policy"] = json!("some");
    assert_eq!(place(&body), ["/deadline_seconds", "/policy"]);
}

#[test]
fn an_order_says_how_long_it_waits_if_it_waits_and_only_then() {
    let with = |policy: &str, wait_seconds: Option<i64>| {
        let mut body = order(json!({}));
        body["policy"] = json!(policy);
        if let Some(seconds) = wait_seconds {
            body["wait_seconds"] = json!(seconds);
        }
        body
    };
    for (policy, waits) in [("all", false), ("partial", false), ("wait", true)] {
        let (asked, refused) = if waits { (Some(60), None) } else { (None, Some(60)) };
        accepted::<PlaceOrder>(&with(policy, asked));
        assert_eq!(pointers::<PlaceOrder>(&with(policy, refused)), ["/wait_seconds"], "{policy}");
    }
    for out_of_range in [0, 31_536_001] {
        assert_eq!(pointers::<PlaceOrder>(&with("wait", Some(out_of_range))), ["/wait_seconds"]);
    }
}

#[test]
fn an_id_that_no_order_can_have_is_an_unknown_one() {
    let incoming = IncomingRequest::for_test(&[("id", "17")], "/", &[], "{}");
    let problem = document(parse::<CancelOrder>(&incoming).expect_err("a refused request"));
    let (code, id) = (&problem["type"], &problem["id"]);
    assert_eq!((code, id), (&json!("/problems/unknown_order"), &json!("17")));
}
