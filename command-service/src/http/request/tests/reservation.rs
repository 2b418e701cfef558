//! The life of a reservation.

use shared_events::slot::slot_of;

use super::*;
use crate::inventory::{Policy, Step};

fn step(form: Form, body: &Value) -> Step {
    match accepted(form, body).command {
        Command::ChangeReservation(command) => {
            assert_eq!(command.id.as_str(), ID);
            command.step
        }
        other => panic!("not a step: {other:?}"),
    }
}

#[test]
fn a_reservations_id_carries_the_slot_of_its_first_lines_item() {
    let line = |sku: &str| json!({"sku": sku, "location": "MAIN", "quantity": 1});
    let body = json!({"owner": "cart-7", "ttl_seconds": 1, "lines": [line("85123A"), line("B")]});
    let made = || match accepted(Form::Reservation, &body).command {
        Command::ReserveStock(command) => command,
        other => panic!("not a reservation: {other:?}"),
    };
    let (first, second) = (made(), made());
    assert_eq!(first.policy, Policy::All);
    assert_eq!(first.id.slot(), slot_of("85123A"));
    assert_ne!(first.id, second.id);
}

#[test]
fn a_step_is_of_the_whole_where_no_parts_are_named() {
    assert_eq!(step(Form::Release, &json!({})), Step::Release(None));
    assert_eq!(step(Form::Cancellation, &json!({})), Step::Cancel(None));
    assert_eq!(step(Form::Fulfilment, &json!({})), Step::Fulfil(None));
    let parts = json!({"lines": [{"line": 2, "quantity": 1}, {"line": 2, "quantity": 3}]});
    let Step::Release(Some(parts)) = step(Form::Release, &parts) else {
        panic!("not of parts");
    };
    let parts: Vec<(u32, i64)> = parts.iter().map(|part| (part.line, part.quantity)).collect();
    assert_eq!(parts, [(2, 1), (2, 3)]);
}

#[tokio::test]
async fn what_a_reservation_cannot_be_made_of_is_told_at_its_place() {
    let line = json!({"sku": "A", "location": "B", "quantity": 1});
    let body = json!({
        "lines": [line, {"sku": "A", "location": "B", "quantity": 0}], "ttl_seconds": 2_592_001,
        "policy": "some",
    });
    let expected = ["/owner", "/lines/1/quantity", "/ttl_seconds", "/policy"];
    assert_eq!(pointers(Form::Reservation, &body).await, expected);
    for (form, body, pointer) in [
        (Form::Extension, json!({"ttl_seconds": 0}), "/ttl_seconds"),
        (Form::Extension, json!({}), "/ttl_seconds"),
        (Form::Confirmation, json!({"lines": [{"line": 1, "quantity": 1}]}), "/lines"),
        (Form::Release, json!({"lines": []}), "/lines"),
        (Form::Release, json!({"lines": null}), "/lines"),
        (Form::Cancellation, json!({"lines": [{"line": 0, "quantity": 1}]}), "/lines/0/line"),
        (Form::Fulfilment, json!({"lines": [{"line": 1, "quantity": 0}]}), "/lines/0/quantity"),
        (Form::Return, json!({}), "/lines"),
    ] {
        assert_eq!(pointers(form, &body).await, [pointer], "{form:?} {body}");
    }
}

#[tokio::test]
async fn an_id_that_no_reservation_can_have_is_an_unknown_one() {
    let called = |id: &str, body: Value| Arrived {
        path: [("id", id)].into_iter().collect(),
        ..plain(&body)
    };
    let problem = refused(Form::Confirmation, &called("17", json!({}))).await;
    assert_eq!(problem["type"], "/problems/unknown_reservation");
    assert_eq!(problem["id"], "17");
    let faulty = refused(Form::Confirmation, &called("17", json!({"x": 1}))).await;
    assert_eq!(faults_of(&faulty), ["/x"]);
}

#[test]
fn a_precondition_speaks_of_the_reservation() {
    let guarded = arrived("/", &[("If-Match", "\"2\"")], "{}");
    let request = only(parse(Form::Confirmation, &guarded).expect("a valid request"));
    let Command::ChangeReservation(command) = request.command else {
        panic!("not a step: {:?}", request.command);
    };
    assert_eq!(command.expected_version, Some(Version(2)));
}
