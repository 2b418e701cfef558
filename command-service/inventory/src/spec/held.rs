//! Steps of a held reservation.

use super::*;
use shared_events::event::Reference;

/// Five of A and two of B, of which one reservation holds three and two.
fn held() -> Inventory {
    given(&[receive(&[("A", 5), ("B", 2)]), reserving(1, &[("A", 3), ("B", 2)])])
}

fn release(asked: &[(u32, i64)]) -> Command {
    step(1, Step::Release(Some(parts(asked))))
}

fn extend(ttl_seconds: u32) -> Command {
    step(1, Step::Extend { ttl_seconds })
}

#[test]
fn extending_counts_from_now_and_may_end_the_hold_earlier() {
    for (seconds, ttl_seconds, ends) in [(10, 60, 70), (10, 5, 15)] {
        let mut inventory = held();
        let events = then(&mut inventory, seconds, extend(ttl_seconds));
        let [Event::ReservationExtended(step), Event::StockHoldExtended(first), _] =
            events.as_slice()
        else {
            panic!("{events:?}")
        };
        assert_eq!(step.after.expires_at, at(ends));
        assert_eq!((first.expired_at, first.expires_at), (at(60), at(ends)));
        assert_eq!((first.line, first.quantity), (1, 3));
        assert_eq!(figures_after(&events), [[5, 3, 0], [2, 2, 0]]);
        assert!(when_at(&inventory, ends - 1, step_confirm()).is_ok());
        let late = when_at(&inventory, ends, step_confirm());
        assert_eq!(late, Err(Rejection::ReservationExpired {}));
    }
}

fn step_confirm() -> Command {
    step(1, Step::Confirm)
}

#[test]
fn extending_skips_released_lines_and_changes_nothing_to_the_same_expiry() {
    let mut inventory = held();
    then(&mut inventory, 0, release(&[(1, 3)]));
    let events = when_at(&inventory, 1, extend(60)).unwrap();
    assert_eq!(types(&events), ["ReservationExtended", "StockHoldExtended"]);
    assert_eq!(when_at(&inventory, 1, extend(59)), Ok(vec![]));
}

#[test]
fn confirming_allocates_all_that_is_held() {
    let mut inventory = held();
    then(&mut inventory, 0, release(&[(1, 1)]));
    let events = then(&mut inventory, 0, step_confirm());
    assert_eq!(types(&events), ["ReservationConfirmed", "StockAllocated", "StockAllocated"]);
    assert_eq!(figures_after(&events), [[5, 0, 2], [2, 0, 2]]);
    assert_eq!(own_step(&events).after.status, ReservationStatus::Confirmed);
    assert!(inventory.stock(&"A".parse().unwrap(), &"MAIN".parse().unwrap()).holds.is_empty());
    assert_eq!(
        when_at(&inventory, 0, step_confirm()),
        Ok(vec![]),
        "the second time changes nothing"
    );
    assert_eq!(
        when_at(&inventory, 61, step_confirm()),
        Ok(vec![]),
        "an allocation does not expire"
    );
}

#[test]
fn the_reference_of_a_confirmation_becomes_that_of_the_reservation() {
    let reference = |id: &str| Reference {
        kind: "order".parse().unwrap(),
        id: id.parse().unwrap(),
        line: None,
    };
    let cause = |id| Cause { reference: Some(reference(id)), ..Cause::default() };
    let first = ReserveStock { cause: cause("1"), ..reserve(1, &[("A", 1)]) };
    let inventory = given(&[receive(&[("A", 1)]), Command::ReserveStock(first)]);
    let events = when(&inventory, step_confirm()).unwrap();
    assert_eq!(own_step(&events).after.reference, Some(reference("1")));
    let Command::ChangeReservation(command) = step_confirm() else { unreachable!() };
    let named = ChangeReservation { cause: cause("2"), ..command };
    let events = when(&inventory, Command::ChangeReservation(named)).unwrap();
    assert_eq!(own_step(&events).after.reference, Some(reference("2")));
}

#[test]
fn releasing_all_releases_every_line_once() {
    let mut inventory = held();
    let events = then(&mut inventory, 0, step(1, Step::Release(None)));
    assert_eq!(types(&events), ["ReservationReleased", "StockReleased", "StockReleased"]);
    assert_eq!(figures_after(&events), [[5, 0, 0], [2, 0, 0]]);
    let ReservationStep { parts: released, after, .. } = own_step(&events);
    assert_eq!(released, &parts(&[(1, 3), (2, 2)]));
    assert_eq!(after.status, ReservationStatus::Released);
    assert_eq!(
        when(&inventory, step(1, Step::Release(None))),
        Ok(vec![]),
        "the second time changes nothing"
    );
    assert_eq!(when(&inventory, release(&[(1, 1)])), wrong_state(ReservationStatus::Released));
}

#[test]
fn releasing_in_parts_adds_up_to_a_release_of_all() {
    let mut inventory = held();
    let events = then(&mut inventory, 0, release(&[(2, 1), (1, 1), (2, 1)]));
    assert_eq!(own_step(&events).parts, parts(&[(1, 1), (2, 2)]), "summed per line, in order");
    assert_eq!(own_step(&events).after.status, ReservationStatus::Held);
    assert_eq!(figures_after(&events), [[5, 2, 0], [2, 0, 0]]);
    let events = then(&mut inventory, 0, release(&[(1, 2)]));
    assert_eq!(own_step(&events).after.status, ReservationStatus::Released);
    let released: Vec<i64> =
        own_step(&events).after.lines.iter().map(|line| line.released).collect();
    assert_eq!(released, [3, 2]);
}

#[test]
fn releasing_more_than_is_held_or_an_unknown_line_is_rejected() {
    let over = |line, asked, possible| {
        Err(Rejection::OverRelease { part: Excess { line, asked, possible } })
    };
    let inventory = held();
    assert_eq!(when(&inventory, release(&[(1, 4)])), over(1, 4, 3));
    assert_eq!(when(&inventory, release(&[(1, 2), (2, 1), (1, 2)])), over(1, 4, 3));
    assert_eq!(when(&inventory, release(&[(1, 1), (3, 1)])), over(3, 1, 0));
    assert_eq!(when(&inventory, release(&[(0, 1)])), over(0, 1, 0));
    assert_eq!(when(&inventory, release(&[(1, i64::MAX), (1, 2)])), over(1, i64::MAX, 3));
}

#[test]
fn a_held_reservation_is_not_cancelled_fulfilled_or_returned() {
    let inventory = held();
    let steps = [Step::Cancel(None), Step::Fulfil(None), Step::Return(parts(&[(1, 1)]))];
    for one in steps {
        assert_eq!(when(&inventory, step(1, one)), wrong_state(ReservationStatus::Held));
    }
}

#[test]
fn a_released_reservation_is_not_extended_or_confirmed() {
    let mut inventory = held();
    then(&mut inventory, 0, step(1, Step::Release(None)));
    for command in [extend(60), step_confirm(), step(1, Step::Cancel(None))] {
        assert_eq!(when(&inventory, command), wrong_state(ReservationStatus::Released));
    }
}

#[test]
fn a_reservation_must_exist_and_have_the_expected_version() {
    let inventory = held();
    let unknown = Rejection::UnknownReservation { id: id(2) };
    let at_version = |number, version| {
        Command::ChangeReservation(ChangeReservation {
            id: id(number),
            step: Step::Cancel(None),
            precondition: Some(Precondition::Version(Version(version))),
            cause: Cause::default(),
        })
    };
    assert_eq!(when(&inventory, at_version(2, 7)), Err(unknown));
    let conflict = Rejection::VersionConflict { expected: Version(7), actual: Version(1) };
    assert_eq!(when(&inventory, at_version(1, 7)), Err(conflict), "checked before the status");
    assert_eq!(when(&inventory, at_version(1, 1)), wrong_state(ReservationStatus::Held));
}

#[test]
fn a_step_is_not_dated_before_the_one_it_builds_on() {
    let mut inventory = given(&[receive(&[("A", 5)])]);
    then(&mut inventory, 0, reserving(1, &[("A", 3)]));
    let dated = |inventory: &Inventory, step: Step, seconds: Option<u64>| {
        let step = self::step(1, step);
        let beginning: Timestamp = "2026-01-01T11:59:00Z".parse().unwrap();
        let occurred_at = seconds.map(|seconds| beginning + Duration::from_secs(seconds));
        decide(inventory, &Request { command: step, occurred_at }, at(30))
    };
    let earliest =
        |moment| Err(Rejection::OccurredAtOutOfRange { earliest: moment, latest: at(330) });
    for step in [Step::Confirm, Step::Release(None), Step::Extend { ttl_seconds: 9 }] {
        assert_eq!(dated(&inventory, step.clone(), Some(59)), earliest(at(0)), "{step:?}");
        assert!(dated(&inventory, step.clone(), Some(60)).is_ok(), "{step:?}");
        assert!(dated(&inventory, step.clone(), None).is_ok(), "{step:?}");
    }
    let confirm = Request { command: step_confirm(), occurred_at: Some(at(20)) };
    for event in decide(&inventory, &confirm, at(30)).unwrap() {
        inventory.evolve(&event, confirm.time_of(&event, at(30)));
    }
    for step in [Step::Fulfil(None), Step::Cancel(None)] {
        assert_eq!(dated(&inventory, step.clone(), Some(79)), earliest(at(20)), "{step:?}");
        assert!(dated(&inventory, step.clone(), Some(80)).is_ok(), "{step:?}");
    }
}

#[test]
fn a_repeated_step_for_another_document_is_rejected_with_the_recorded_one() {
    let reference = |id: &str| Reference {
        kind: "order".parse().unwrap(),
        id: id.parse().unwrap(),
        line: None,
    };
    let named = |step: Step, reference: Option<Reference>| {
        let cause = Cause { reference, ..Cause::default() };
        let id = id(1);
        Command::ChangeReservation(ChangeReservation { id, step, precondition: None, cause })
    };
    let cases = [
        (vec![], Step::Confirm, ReservationStatus::Confirmed),
        (vec![], Step::Release(None), ReservationStatus::Released),
        (vec![Step::Confirm], Step::Cancel(None), ReservationStatus::Cancelled),
        (
            vec![Step::Confirm, Step::Fulfil(Some(parts(&[(1, 1)])))],
            Step::Cancel(None),
            ReservationStatus::Fulfilled,
        ),
    ];
    for (before, repeated, status) in cases {
        for recorded in [Some(reference("1")), None] {
            let mut inventory = held();
            for step in &before {
                then(&mut inventory, 0, named(step.clone(), None));
            }
            then(&mut inventory, 0, named(repeated.clone(), recorded.clone()));
            let again = |reference| when(&inventory, named(repeated.clone(), reference));
            assert_eq!(again(None), Ok(vec![]), "{repeated:?}");
            assert_eq!(again(recorded.clone()), Ok(vec![]), "{repeated:?}");
            let other = Rejection::DoneForAnother { status, reference: recorded };
            assert_eq!(again(Some(reference("2"))), Err(other), "{repeated:?}");
        }
    }
}
