//! Holds that others pay for by events alone.

use shared_events::payment::HoldOutcome;

use super::*;

/// Six of ten A are held until second 60.
fn held() -> Inventory {
    given(&[receive(&[("A", 10)]), reserving(1, &[("A", 6)])])
}

fn settle(outcome: HoldOutcome) -> Command {
    Command::SettleReservation(SettleReservation { id: id(1), outcome, cause: Cause::default() })
}

fn refused(events: &[Event]) -> (&str, &str) {
    match events {
        [Event::ReservationStepRefused(refused)] => (refused.step.as_str(), refused.code.as_str()),
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn a_hold_that_is_paid_is_confirmed_and_one_that_is_refused_is_released() {
    let mut inventory = held();
    let events = then(&mut inventory, 1, settle(HoldOutcome::Paid));
    assert_eq!(types(&events), ["ReservationConfirmed", "StockAllocated"]);
    assert_eq!(when_at(&inventory, 2, settle(HoldOutcome::Paid)), Ok(Vec::new()), "only once");
    let events = when(&held(), settle(HoldOutcome::Refused)).unwrap();
    assert_eq!(types(&events), ["ReservationReleased", "StockReleased"]);
    assert_eq!(when(&held(), settle(HoldOutcome::Refunded)), Ok(Vec::new()));
}

#[test]
fn what_is_not_possible_is_an_event_that_changes_nothing() {
    let mut inventory = held();
    let before = inventory.reservation(&id(1)).unwrap().details.clone();
    let events = then(&mut inventory, 100_000, settle(HoldOutcome::Paid));
    assert_eq!(refused(&events), ("confirm", "reservation_expired"));
    assert_eq!(inventory.reservation(&id(1)).unwrap().details, before);
    let mut inventory = held();
    then(&mut inventory, 1, settle(HoldOutcome::Paid));
    let events = then(&mut inventory, 2, settle(HoldOutcome::Refused));
    assert_eq!(refused(&events), ("release", "reservation_state"));
}

#[test]
fn a_reservation_that_does_not_exist_is_unknown() {
    let settle = when(&given(&[]), settle(HoldOutcome::Paid));
    assert_eq!(settle, Err(Rejection::UnknownReservation { id: id(1) }));
}
