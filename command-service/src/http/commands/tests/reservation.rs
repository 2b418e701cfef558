//! The life of a reservation.

use shared_events::slot::slot_of;

use shared_events::lane::Version;

use super::*;
use crate::inventory::{Policy, Step};

fn step<C: Command>(body: &Value) -> Step {
    match accepted::<C>(body).command {
        inventory::Command::ChangeReservation(command) => {
            assert_eq!(command.id.as_str(), RESERVATION);
            command.step
        }
        other => panic!("not a step: {other:?}"),
    }
}

#[test]
fn a_reservations_id_has_the_slot_of_its_first_lines_item() {
    let line = |sku: &str| json!({"sku": sku, "location": "MAIN", "quantity": 1});
    let body = json!({"owner": "cart-7", "ttl_seconds": 1, "lines": [line("85123A"), line("B")]});
    let made = || match accepted::<ReserveStock>(&body).command {
        inventory::Command::ReserveStock(command) => command,
        other => panic!("not a reservation: {other:?}"),
    };
    let (first, second) = (made(), made());
    assert_eq!(first.policy, Policy::All);
    assert_eq!(first.id.slot(), slot_of("85123A"));
    assert_ne!(first.id, second.id);
}

#[test]
fn a_step_without_parts_is_of_the_whole_reservation() {
    assert_eq!(step::<ReleaseReservation>(&json!({})), Step::Release(None));
    assert_eq!(step::<CancelReservation>(&json!({})), Step::Cancel(None));
    assert_eq!(step::<FulfilReservation>(&json!({})), Step::Fulfil(None));
    let parts = json!({"lines": [{"line": 2, "quantity": 1}, {"line": 2, "quantity": 3}]});
    let Step::Release(Some(parts)) = step::<ReleaseReservation>(&parts) else {
        panic!("not of parts");
    };
    let parts: Vec<(u32, i64)> = parts.iter().map(|part| (part.line, part.quantity)).collect();
    assert_eq!(parts, [(2, 1), (2, 3)]);
}

#[test]
fn faults_of_a_reservation_are_reported_at_their_members() {
    let line = json!({"sku": "A", "location": "B", "quantity": 1});
    let body = json!({
        "lines": [line, {"sku": "A", "location": "B", "quantity": 0}], "ttl_seconds": 2_592_001,
        "policy": "some",
    });
    let expected = ["/owner", "/lines/1/quantity", "/ttl_seconds", "/policy"];
    assert_eq!(pointers::<ReserveStock>(&body), expected);
    let (extend, release) = (pointers::<ExtendReservation>, pointers::<ReleaseReservation>);
    let cases: [(Pointers, Value, &str); 8] = [
        (extend, json!({"ttl_seconds": 0}), "/ttl_seconds"),
        (extend, json!({}), "/ttl_seconds"),
        (pointers::<ConfirmReservation>, json!({"lines": [{"line": 1, "quantity": 1}]}), "/lines"),
        (release, json!({"lines": []}), "/lines"),
        (release, json!({"lines": null}), "/lines"),
        (
            pointers::<CancelReservation>,
            json!({"lines": [{"line": 0, "quantity": 1}]}),
            "/lines/0/line",
        ),
        (
            pointers::<FulfilReservation>,
            json!({"lines": [{"line": 1, "quantity": 0}]}),
            "/lines/0/quantity",
        ),
        (pointers::<ReturnReservation>, json!({}), "/lines"),
    ];
    for (pointers, body, pointer) in cases {
        assert_eq!(pointers(&body), [pointer], "{body}");
    }
}

#[test]
fn an_id_that_no_reservation_can_have_is_an_unknown_one() {
    let refused = |body: &str| {
        let incoming = IncomingRequest::for_test(&[("id", "17")], "/", &[], body);
        document(parse::<ConfirmReservation>(&incoming).expect_err("a refused request"))
    };
    let problem = refused("{}");
    assert_eq!(problem["type"], "/problems/unknown_reservation");
    assert_eq!(problem["id"], "17");
    assert_eq!(faults_of(&refused(r#"{"x":1}"#)), ["/x"]);
}

#[test]
fn a_precondition_guards_the_reservation() {
    let guarded = parsed::<ConfirmReservation>("/", &[("If-Match", "\"2\"")], "{}");
    let request = only(guarded.expect("a valid request"));
    let inventory::Command::ChangeReservation(command) = request.command else {
        panic!("not a step: {:?}", request.command);
    };
    assert_eq!(command.precondition, Some(Precondition::Version(Version(2))));
}
