//! Holds that end because their time has come.

use super::*;
use shared_events::stream::Stream;

/// Five of A, of which two reservations hold two each until 60 and 30 seconds after the beginning.
fn held() -> Inventory {
    let short = ReserveStock { ttl_seconds: 30, ..reserve(2, &[("A", 2)]) };
    given(&[receive(&[("A", 5)]), reserving(1, &[("A", 2)]), Command::ReserveStock(short)])
}

const EXPIRE: Step = Step::Expire;

#[test]
fn a_hold_counts_until_the_very_moment_at_which_it_ends() {
    let inventory = held();
    let refused = when_at(&inventory, 29, issue(&[("A", 3)]));
    assert_eq!(refused, insufficient(vec![short("A", 3, 1)]));
    let events = when_at(&inventory, 30, issue(&[("A", 3)])).unwrap();
    assert_eq!(types(&events), ["StockHoldExpired", "StockIssued"]);
    assert_eq!(figures_after(&events), [[5, 2, 0], [2, 2, 0]]);
}

#[test]
fn the_end_of_a_hold_says_whose_it_was_and_when() {
    let events = when_at(&held(), 90, receive(&[("A", 1)])).unwrap();
    let [Event::StockHoldExpired(first), Event::StockHoldExpired(second), _] = events.as_slice()
    else {
        panic!("{events:?}")
    };
    assert_eq!((&first.reservation, first.line, first.quantity), (&id(2), 1, 2));
    assert_eq!(events[0].own_time(), Some(at(30)), "the first to end is the first");
    assert_eq!((&second.reservation, events[1].own_time()), (&id(1), Some(at(60))));
    assert_eq!(figures_after(&events), [[5, 2, 0], [5, 0, 0], [6, 0, 0]]);
}

#[test]
fn every_command_on_stock_ends_the_holds_whose_time_has_come_first() {
    let one = [("A", 1)];
    let commands = [
        receive(&one),
        issue(&one),
        adjust(&one, false),
        adjust(&[("A", -1)], false),
        set(1, None, false),
        moving(&[("A", "MAIN", "WEST", 1)]),
        moving(&[("B", "WEST", "MAIN", 1), ("A", "WEST", "MAIN", 1)]),
        reserving(3, &one),
    ];
    let mut inventory = held();
    let west = [("A", "MAIN", "WEST", 1)];
    then(&mut inventory, 0, moving(&west));
    then(&mut inventory, 0, receive(&[("B", 1)]));
    then(&mut inventory, 0, moving(&[("B", "MAIN", "WEST", 1)]));
    for command in commands {
        let events = when_at(&inventory, 60, command).unwrap();
        assert_eq!(types(&events)[..2], ["StockHoldExpired", "StockHoldExpired"]);
        assert!(!types(&events)[2..].contains(&"StockHoldExpired"));
    }
}

#[test]
fn only_the_streams_that_a_command_touches_end_their_holds() {
    let mut inventory = given(&[receive(&[("A", 1), ("B", 1)]), reserving(1, &[("A", 1)])]);
    then(&mut inventory, 0, reserving(2, &[("B", 1)]));
    let events = when_at(&inventory, 60, issue(&[("B", 1)])).unwrap();
    let streams: Vec<Stream> = events.iter().map(Event::stream).collect();
    assert_eq!(streams, ["stock/B/MAIN".parse().unwrap(), "stock/B/MAIN".parse().unwrap()]);
}

#[test]
fn a_command_that_is_refused_or_changes_nothing_ends_no_hold() {
    let inventory = held();
    let refused = when_at(&inventory, 60, issue(&[("A", 6)]));
    assert_eq!(refused, insufficient(vec![short("A", 6, 5)]), "counted without the holds");
    assert_eq!(when_at(&inventory, 60, set(5, None, false)), Ok(vec![]));
}

#[test]
fn a_precondition_is_about_the_version_that_is_recorded() {
    let inventory = held();
    let at_3 = StockLine { expected_version: Some(Version(3)), ..line("A", 1) };
    let command = IssueStock { lines: vec![at_3], purpose: None, cause: Cause::default() };
    let events = when_at(&inventory, 60, Command::IssueStock(command)).unwrap();
    assert_eq!(types(&events), ["StockHoldExpired", "StockHoldExpired", "StockIssued"]);
}

#[test]
fn a_reservation_whose_time_has_come_takes_no_further_step() {
    let steps = [
        Step::Extend { ttl_seconds: 60 },
        Step::Confirm,
        Step::Release(None),
        Step::Release(Some(parts(&[(1, 9)]))),
        Step::Cancel(None),
        Step::Fulfil(None),
        Step::Return(parts(&[(1, 1)])),
    ];
    let mut expired = held();
    then(&mut expired, 30, step(2, EXPIRE));
    for one in steps {
        let over = Err(Rejection::ReservationExpired {});
        assert_eq!(when_at(&held(), 30, step(2, one.clone())), over, "before it is swept");
        assert_eq!(when_at(&expired, 30, step(2, one)), over, "and after");
    }
}

#[test]
fn expiring_ends_the_reservation_and_gives_back_all_that_it_held() {
    let mut inventory = held();
    assert_eq!(when_at(&inventory, 29, step(2, EXPIRE)), Ok(vec![]), "its time has not come");
    let events = then(&mut inventory, 30, step(2, EXPIRE));
    assert_eq!(types(&events), ["StockHoldExpired", "ReservationExpired"]);
    assert_eq!(figures_after(&events), [[5, 2, 0]]);
    let after = &own_step(&events).after;
    assert_eq!((after.status, after.lines[0].released), (ReservationStatus::Expired, 2));
    assert_eq!(events[1].own_time(), Some(at(30)));
    assert_eq!(when_at(&inventory, 31, step(2, EXPIRE)), Ok(vec![]), "once is enough");
    let unknown = Rejection::UnknownReservation { id: id(3) };
    assert_eq!(when_at(&inventory, 31, step(3, EXPIRE)), Err(unknown));
}

#[test]
fn expiring_ends_the_holds_of_others_there_too_and_none_of_them_twice() {
    let mut inventory = held();
    let events = then(&mut inventory, 60, step(1, EXPIRE));
    let kinds = ["StockHoldExpired", "StockHoldExpired", "ReservationExpired"];
    assert_eq!(types(&events), kinds);
    let events = then(&mut inventory, 60, step(2, EXPIRE));
    assert_eq!(types(&events), ["ReservationExpired"]);
    assert_eq!(own_step(&events).after.lines[0].released, 2);
}

#[test]
fn a_promise_does_not_end_nor_does_what_was_let_go() {
    let mut inventory = held();
    then(&mut inventory, 29, step(2, Step::Confirm));
    then(&mut inventory, 29, step(1, Step::Release(None)));
    for number in [1, 2] {
        assert_eq!(when_at(&inventory, 90, step(number, EXPIRE)), Ok(vec![]));
    }
    let events = when_at(&inventory, 90, step(2, Step::Fulfil(None))).unwrap();
    assert_eq!(figures_after(&events), [[3, 0, 0]]);
}

#[test]
fn an_item_whose_last_holds_have_ended_can_be_retired() {
    let mut inventory = held();
    then(&mut inventory, 0, moving(&[("A", "MAIN", "WEST", 1)]));
    let mut in_west = reserve(3, &[("A", 1)]);
    in_west.lines[0].location = "WEST".parse().unwrap();
    then(&mut inventory, 0, Command::ReserveStock(in_west));
    then(&mut inventory, 0, adjust(&[("A", -4)], true));
    let Command::AdjustStock(mut gone) = adjust(&[("A", -1)], true) else { unreachable!() };
    gone.lines[0].location = "WEST".parse().unwrap();
    then(&mut inventory, 0, Command::AdjustStock(gone));
    let in_use = Rejection::ItemHasStock { sku: "A".parse().unwrap() };
    assert_eq!(when_at(&inventory, 59, retire("A")), Err(in_use));
    let events = then(&mut inventory, 60, retire("A"));
    let streams: Vec<String> = events.iter().map(|event| event.stream().to_string()).collect();
    assert_eq!(streams, ["stock/A/MAIN", "stock/A/MAIN", "stock/A/WEST", "item/A"]);
    assert_eq!(types(&events)[3], "ItemRetired");
    let events = then(&mut inventory, 60, step(1, EXPIRE));
    assert_eq!(types(&events), ["ReservationExpired"]);
}

#[test]
fn a_command_ends_a_thousand_holds_at_most_and_a_reservation_its_own_in_any_case() {
    let mut inventory = given(&[receive(&[("A", 2_000)])]);
    for number in 1..=1_200 {
        then(&mut inventory, 0, reserving(number, &[("A", 1)]));
    }
    let events = when_at(&inventory, 60, issue(&[("A", 1)])).unwrap();
    assert_eq!(types(&events).iter().filter(|name| **name == "StockHoldExpired").count(), 1_000);
    assert_eq!(figures_after(&events).last(), Some(&[1_999, 200, 0]));

    let events = when_at(&inventory, 60, step(1_200, EXPIRE)).unwrap();
    let of_its_own = |event: &Event| match event {
        Event::StockHoldExpired(hold) => hold.reservation == id(1_200),
        _ => false,
    };
    assert_eq!(events.iter().filter(|event| of_its_own(event)).count(), 1);
    assert_eq!(types(&events).last(), Some(&"ReservationExpired"));
}
