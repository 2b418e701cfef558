//! Holds that expire.

use super::*;
use shared_events::stream::Stream;

/// Five of A, of which two reservations hold two each until 60 and 30 seconds after the beginning.
fn held() -> Inventory {
    let short = ReserveStock { ttl_seconds: 30, ..reserve(2, &[("A", 2)]) };
    given(&[receive(&[("A", 5)]), reserving(1, &[("A", 2)]), Command::ReserveStock(short)])
}

const EXPIRE: Step = Step::Settle;

#[test]
fn a_hold_counts_until_the_moment_it_expires() {
    let inventory = held();
    let refused = when_at(&inventory, 29, issue(&[("A", 3)]));
    assert_eq!(refused, insufficient(vec![short("A", 3, 1)]));
    let events = when_at(&inventory, 30, issue(&[("A", 3)])).unwrap();
    assert_eq!(types(&events), ["StockHoldExpired", "StockIssued"]);
    assert_eq!(figures_after(&events), [[5, 2, 0], [2, 2, 0]]);
}

#[test]
fn the_expiry_of_a_hold_records_its_reservation_and_time() {
    let events = when_at(&held(), 90, receive(&[("A", 1)])).unwrap();
    let [Event::StockHoldExpired(first), Event::StockHoldExpired(second), _] = events.as_slice()
    else {
        panic!("{events:?}")
    };
    assert_eq!((&first.reservation, first.line, first.quantity), (&id(2), 1, 2));
    assert_eq!(events[0].own_time(), Some(at(30)), "in the order of expiry");
    assert_eq!((&second.reservation, events[1].own_time()), (&id(1), Some(at(60))));
    assert_eq!(figures_after(&events), [[5, 2, 0], [5, 0, 0], [6, 0, 0]]);
}

#[test]
fn every_command_on_stock_first_ends_expired_holds() {
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
fn a_command_ends_expired_holds_only_on_streams_that_it_touches() {
    let mut inventory = given(&[receive(&[("A", 1), ("B", 1)]), reserving(1, &[("A", 1)])]);
    then(&mut inventory, 0, reserving(2, &[("B", 1)]));
    let events = when_at(&inventory, 60, issue(&[("B", 1)])).unwrap();
    let streams: Vec<Stream> = events.iter().map(Event::stream).collect();
    assert_eq!(streams, ["stock/B/MAIN".parse().unwrap(), "stock/B/MAIN".parse().unwrap()]);
}

#[test]
fn a_command_that_is_rejected_or_changes_nothing_ends_no_hold() {
    let inventory = held();
    let refused = when_at(&inventory, 60, issue(&[("A", 6)]));
    assert_eq!(refused, insufficient(vec![short("A", 6, 5)]), "expired holds are not counted");
    assert_eq!(when_at(&inventory, 60, set(5, None, false)), Ok(vec![]));
}

#[test]
fn a_precondition_refers_to_the_recorded_version() {
    let inventory = held();
    let at_3 = StockLine { expected_version: Some(Version(3)), ..line("A", 1) };
    let command = IssueStock { lines: vec![at_3], purpose: None, cause: Cause::default() };
    let events = when_at(&inventory, 60, Command::IssueStock(command)).unwrap();
    assert_eq!(types(&events), ["StockHoldExpired", "StockHoldExpired", "StockIssued"]);
}

#[test]
fn an_expired_reservation_takes_no_further_step() {
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
        assert_eq!(when_at(&held(), 30, step(2, one.clone())), over, "before the sweep");
        assert_eq!(when_at(&expired, 30, step(2, one)), over, "after the sweep");
    }
}

#[test]
fn expiring_ends_the_reservation_and_all_its_holds() {
    let mut inventory = held();
    assert_eq!(when_at(&inventory, 29, step(2, EXPIRE)), Ok(vec![]), "it has not expired");
    let events = then(&mut inventory, 30, step(2, EXPIRE));
    assert_eq!(types(&events), ["StockHoldExpired", "ReservationExpired"]);
    assert_eq!(figures_after(&events), [[5, 2, 0]]);
    let after = &own_step(&events).after;
    assert_eq!((after.status, after.lines[0].released), (ReservationStatus::Expired, 2));
    assert_eq!(events[1].own_time(), Some(at(30)));
    assert_eq!(
        when_at(&inventory, 31, step(2, EXPIRE)),
        Ok(vec![]),
        "the second time changes nothing"
    );
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
fn confirmed_and_released_reservations_do_not_expire() {
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
fn an_item_can_be_retired_when_its_last_holds_have_expired() {
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
fn a_command_ends_at_most_a_thousand_holds_and_an_expiring_reservation_always_its_own() {
    let mut inventory = given(&[receive(&[("A", 2_000)])]);
    for number in 1..=1_200 {
        then(&mut inventory, 0, reserving(number, &[("A", 1)]));
    }
    let events = when_at(&inventory, 60, issue(&[("A", 1)])).unwrap();
    assert_eq!(types(&events).iter().filter(|name| **name == "StockHoldExpired").count(), 1_000);
    assert_eq!(figures_after(&events).last(), Some(&[1_999, 200, 0]));

    let events = when_at(&inventory, 60, step(1_200, EXPIRE)).unwrap();
    let is_own = |event: &Event| match event {
        Event::StockHoldExpired(hold) => hold.reservation == id(1_200),
        _ => false,
    };
    assert_eq!(events.iter().filter(|event| is_own(event)).count(), 1);
    assert_eq!(types(&events).last(), Some(&"ReservationExpired"));
}
