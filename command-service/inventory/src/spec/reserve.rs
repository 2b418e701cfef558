//! Making a reservation.

use super::*;

fn partial(number: u128, lines: &[(&str, i64)]) -> Command {
    Command::ReserveStock(ReserveStock { policy: Policy::Partial, ..reserve(number, lines) })
}

#[test]
fn a_reservation_holds_its_lines_until_it_expires() {
    let inventory = given(&[receive(&[("A", 5), ("B", 2)])]);
    let events = when(&inventory, reserving(1, &[("A", 3), ("B", 2)])).unwrap();
    assert_eq!(types(&events), ["ReservationHeld", "StockReserved", "StockReserved"]);
    assert_eq!(figures_after(&events), [[5, 3, 0], [2, 2, 0]]);
    let ReservationStep { parts, after, .. } = own_step(&events);
    assert_eq!((after.status, after.expires_at), (ReservationStatus::Held, at(60)));
    assert!(parts.is_empty(), "a new reservation has no parts");
    let [Event::ReservationHeld(_), Event::StockReserved(first), Event::StockReserved(second)] =
        events.as_slice()
    else {
        panic!("{events:?}")
    };
    assert_eq!((&first.reservation, first.line, first.expires_at), (&id(1), 1, at(60)));
    assert_eq!((second.line, second.quantity), (2, 2));
}

#[test]
fn a_reservation_and_its_events_carry_the_reference_of_its_command() {
    let inventory = given(&[receive(&[("A", 5)])]);
    let reference = shared_events::event::Reference {
        kind: "cart".parse().unwrap(),
        id: "7".parse().unwrap(),
        line: None,
    };
    let cause = Cause { reference: Some(reference.clone()), ..Cause::default() };
    let command = ReserveStock { cause: cause.clone(), ..reserve(1, &[("A", 1)]) };
    let events = when(&inventory, Command::ReserveStock(command)).unwrap();
    assert_eq!(own_step(&events).after.reference, Some(reference));
    assert_eq!(own_step(&events).cause, cause);
    assert_eq!(events[1].stock_change().unwrap().cause, &cause);
}

#[test]
fn held_stock_is_not_available_to_other_commands() {
    let inventory = given(&[receive(&[("A", 5)]), reserving(1, &[("A", 3)])]);
    assert_eq!(when(&inventory, issue(&[("A", 3)])), insufficient(vec![short("A", 3, 2)]));
    assert_eq!(when(&inventory, reserving(2, &[("A", 3)])), insufficient(vec![short("A", 3, 2)]));
    let away = when(&inventory, moving(&[("A", "MAIN", "WEST", 3)]));
    assert_eq!(away, insufficient(vec![short("A", 3, 2)]));
    assert!(when(&inventory, reserving(2, &[("A", 2)])).is_ok());
}

#[test]
fn a_rejected_reservation_names_every_short_stream_with_the_sum_of_its_lines() {
    let inventory = given(&[receive(&[("A", 5), ("B", 1)])]);
    let refused = when(&inventory, reserving(1, &[("A", 3), ("B", 2), ("A", 4)]));
    assert_eq!(refused, insufficient(vec![short("B", 2, 1), short("A", 7, 5)]));
}

#[test]
fn a_partial_reservation_takes_the_available_quantity_line_by_line() {
    let inventory = given(&[receive(&[("A", 5)])]);
    let events = when(&inventory, partial(1, &[("A", 3), ("B", 1), ("A", 4), ("A", 1)])).unwrap();
    assert_eq!(types(&events), ["ReservationHeld", "StockReserved", "StockReserved"]);
    assert_eq!(figures_after(&events), [[5, 3, 0], [5, 5, 0]]);
    let lines = &own_step(&events).after.lines;
    let amounts = |line: &shared_events::reservation::ReservationLine| {
        (line.line, line.requested, line.quantity)
    };
    let amounts: Vec<_> = lines.iter().map(amounts).collect();
    assert_eq!(amounts, [(1, 3, 3), (2, 1, 0), (3, 4, 2), (4, 1, 0)]);
}

#[test]
fn a_partial_reservation_that_gets_nothing_is_rejected_with_the_requested_quantities() {
    let refused = when(&given(&[]), partial(1, &[("A", 3), ("B", 1), ("A", 4)]));
    assert_eq!(refused, insufficient(vec![short("A", 7, 0), short("B", 1, 0)]));
}

#[test]
fn a_partial_reservation_takes_nothing_where_available_is_negative() {
    let inventory = given(&[
        receive(&[("A", 5), ("B", 1)]),
        reserving(1, &[("A", 5)]),
        adjust(&[("A", -2)], true),
    ]);
    let events = when(&inventory, partial(2, &[("A", 1), ("B", 1)])).unwrap();
    assert_eq!(figures_after(&events), [[1, 1, 0]]);
    assert_eq!(when(&inventory, partial(2, &[("A", 1)])), insufficient(vec![short("A", 1, -2)]));
}

#[test]
fn a_reservation_of_unknown_or_changed_stock_is_rejected() {
    let inventory = given(&[receive(&[("A", 5)])]);
    let unknown = Rejection::UnknownSku { sku: "C".parse().unwrap() };
    assert_eq!(when(&inventory, reserving(1, &[("A", 1), ("C", 1)])), Err(unknown));
    let mut nowhere = reserve(1, &[("A", 1)]);
    nowhere.lines[0].location = "EAST".parse().unwrap();
    let unknown = Rejection::UnknownLocation { location: "EAST".parse().unwrap() };
    assert_eq!(when(&inventory, Command::ReserveStock(nowhere)), Err(unknown));
    let mut stale = reserve(1, &[("A", 1)]);
    stale.lines[0].expected_version = Some(Version(7));
    let conflict = Rejection::VersionConflict { expected: Version(7), actual: Version(1) };
    assert_eq!(when(&inventory, Command::ReserveStock(stale)), Err(conflict));
}

#[test]
fn huge_amounts_are_reported_as_shortages() {
    let inventory = given(&[receive(&[("A", 5)]), reserving(1, &[("A", 5)])]);
    let many = [("A", AMOUNT_MAX); 5_000];
    let beyond = insufficient(vec![short("A", i64::MAX, 0)]);
    assert_eq!(when(&inventory, reserving(2, &many)), beyond);
    assert_eq!(when(&inventory, issue(&many)), beyond);
    assert_eq!(when(&inventory, partial(2, &many)), beyond);
}

fn replacing(number: u128, replaced: u128, lines: &[(&str, i64)]) -> ReserveStock {
    ReserveStock { replaces: Some(id(replaced)), ..reserve(number, lines) }
}

#[test]
fn a_hold_that_is_replaced_gives_its_stock_to_the_new_one_in_the_same_command() {
    let mut inventory = given(&[receive(&[("A", 5), ("B", 2)]), reserving(1, &[("A", 4)])]);
    let command = replacing(2, 1, &[("A", 5), ("B", 1)]);
    let events = then(&mut inventory, 0, Command::ReserveStock(command));
    let expected = [
        "ReservationReleased",
        "StockReleased",
        "ReservationHeld",
        "StockReserved",
        "StockReserved",
    ];
    assert_eq!(types(&events), expected);
    assert_eq!(figures_after(&events), [[5, 0, 0], [5, 5, 0], [2, 1, 0]]);
    let old = inventory.reservation(&id(1)).unwrap().details.as_ref().unwrap();
    assert_eq!(old.status, ReservationStatus::Released);
}

#[test]
fn a_replacement_that_does_not_fit_leaves_the_old_hold_as_it_is() {
    let inventory = given(&[receive(&[("A", 5)]), reserving(1, &[("A", 4)])]);
    let refused = when(&inventory, Command::ReserveStock(replacing(2, 1, &[("A", 6)])));
    assert_eq!(refused, insufficient(vec![short("A", 6, 5)]));
}

#[test]
fn only_a_hold_of_the_same_owner_that_still_holds_can_be_replaced() {
    let inventory = given(&[receive(&[("A", 5)]), reserving(1, &[("A", 2)])]);
    let replacing = |replaced| replacing(9, replaced, &[("A", 1)]);
    let unknown = |number| Err(Rejection::UnknownReservation { id: id(number) });
    assert_eq!(when(&inventory, Command::ReserveStock(replacing(7))), unknown(7));
    let another = ReserveStock { owner: "another".parse().unwrap(), ..replacing(1) };
    assert_eq!(when(&inventory, Command::ReserveStock(another)), unknown(1));
    let late = when_at(&inventory, 60, Command::ReserveStock(replacing(1)));
    assert_eq!(late, Err(Rejection::ReservationExpired {}));
    for (end, status) in [
        (Step::Confirm, ReservationStatus::Confirmed),
        (Step::Release(None), ReservationStatus::Released),
    ] {
        let mut inventory = inventory.clone();
        then(&mut inventory, 0, step(1, end));
        let refused = when(&inventory, Command::ReserveStock(replacing(1)));
        assert_eq!(refused, wrong_state(status));
    }
}
