//! Goods on their way.

use shared_events::slot::slot_of;

use super::*;
use crate::inventory::TransferChange;

fn change<C: Command>(body: &Value) -> TransferChange {
    match accepted::<C>(body).command {
        inventory::Command::ChangeTransfer(command) => {
            assert_eq!(command.id.as_str(), RESERVATION);
            command.change
        }
        other => panic!("not a change: {other:?}"),
    }
}

#[test]
fn a_transfers_id_has_the_slot_of_its_first_lines_item() {
    let line = |sku: &str| json!({"sku": sku, "from": "MAIN", "to": "WEST", "quantity": 1});
    let body = json!({"lines": [line("85123A"), line("B")], "expected_at": "2030-01-01T00:00:00Z"});
    let made = || match accepted::<DispatchTransfer>(&body).command {
        inventory::Command::DispatchTransfer(command) => command,
        other => panic!("not a transfer: {other:?}"),
    };
    let (first, second) = (made(), made());
    assert_eq!(first.expected_at, "2030-01-01T00:00:00Z".parse().ok());
    assert_eq!(first.id.slot(), slot_of("85123A"));
    assert_ne!(first.id, second.id);
}

#[test]
fn all_that_is_on_its_way_goes_back_unless_parts_are_named() {
    assert_eq!(change::<ReturnTransfer>(&json!({})), TransferChange::Return(None));
    let parts = json!({"lines": [{"line": 2, "quantity": 1}]});
    assert!(matches!(change::<ReturnTransfer>(&parts), TransferChange::Return(Some(_))));
    assert!(matches!(change::<ReceiveTransfer>(&parts), TransferChange::Receive(_)));
    let reason = json!({"reason": "lost"});
    assert_eq!(change::<CloseTransfer>(&reason), TransferChange::Close);
}

#[test]
fn faults_of_a_transfer_are_reported_at_their_members() {
    let line = json!({"sku": "A", "from": "MAIN", "to": "MAIN", "quantity": 1});
    let dispatch = pointers::<DispatchTransfer>;
    let cases: [(Pointers, Value, &str); 6] = [
        (dispatch, json!({"lines": [line]}), "/lines/0/to"),
        (dispatch, json!({"lines": []}), "/lines"),
        (pointers::<ReceiveTransfer>, json!({}), "/lines"),
        (
            pointers::<ReceiveTransfer>,
            json!({"lines": [{"line": 1, "quantity": 0}]}),
            "/lines/0/quantity",
        ),
        (pointers::<CloseTransfer>, json!({"reason": "Lost"}), "/reason"),
        (pointers::<ReturnTransfer>, json!({"lines": null}), "/lines"),
    ];
    for (pointers, body, pointer) in cases {
        assert_eq!(pointers(&body), [pointer], "{body}");
    }
    let line = json!({"sku": "A", "from": "MAIN", "to": "WEST", "quantity": 1});
    let body = json!({"lines": [line], "expected_at": "tomorrow"});
    assert_eq!(dispatch(&body), ["/expected_at"]);
}

#[test]
fn a_transfer_is_given_up_for_a_reason() {
    assert_eq!(refused::<CloseTransfer>("/", &[], "{}")["type"], "/problems/reason_required");
}

#[test]
fn an_id_that_no_transfer_can_have_is_an_unknown_one() {
    let incoming = IncomingRequest::for_test(&[("id", "17")], "/", &[], r#"{"reason":"lost"}"#);
    let problem = document(parse::<CloseTransfer>(&incoming).expect_err("a refused request"));
    assert_eq!(
        (&problem["type"], &problem["id"]),
        (&json!("/problems/unknown_transfer"), &json!("17"),)
    );
}
