//! Reservations that wait for stock.

use shared_events::event::{FilledStock, WhyLeft};
use shared_events::reservation::{Fill, Reservation};

use super::*;

/// A reservation that waits for 600 seconds and is then held for 60.
fn waiting(number: u128, lines: &[(&str, i64)], priority: u8, fill: Fill) -> Command {
    let policy = Policy::Wait(Wait { seconds: 600, priority, fill });
    Command::ReserveStock(ReserveStock { policy, ..reserve(number, lines) })
}

fn parts_of_a(number: u128, quantity: i64) -> Command {
    waiting(number, &[("A", quantity)], 5, Fill::Parts)
}

fn whole_of_a(number: u128, quantity: i64) -> Command {
    waiting(number, &[("A", quantity)], 5, Fill::Whole)
}

fn fills(events: &[Event]) -> Vec<&FilledStock> {
    fn filled(event: &Event) -> Option<&FilledStock> {
        match event {
            Event::StockWaitlistFilled(filled) => Some(filled),
            _ => None,
        }
    }
    events.iter().filter_map(filled).collect()
}

/// Whose reservations were filled, with how much.
fn filled(events: &[Event]) -> Vec<(u128, i64)> {
    let number = |filled: &FilledStock| (1..2_000).find(|one| id(*one) == filled.reservation);
    let filled = |one: &FilledStock| (number(one).expect("one of the test's"), one.quantity);
    fills(events).into_iter().map(filled).collect()
}

/// Available and waiting of A after the last event about it.
fn a_after(inventory: &Inventory) -> (i64, i64) {
    let figures = inventory.stock(&"A".parse().unwrap(), &"MAIN".parse().unwrap()).figures;
    (figures.available(), figures.waiting)
}

fn reservation(inventory: &Inventory, number: u128) -> Reservation {
    inventory.reservation(&id(number)).and_then(|state| state.details.clone()).expect("it is made")
}

const SETTLE: Step = Step::Settle;

#[test]
fn a_reservation_takes_what_is_there_and_waits_for_the_rest() {
    let mut inventory = given(&[receive(&[("A", 2)])]);
    let events = then(&mut inventory, 0, waiting(1, &[("A", 5), ("B", 1)], 7, Fill::Parts));
    let kinds = ["ReservationWaitlisted", "StockReserved", "StockWaitlisted", "StockWaitlisted"];
    assert_eq!(types(&events), kinds);
    let after = &own_step(&events).after;
    assert_eq!((after.status, after.priority), (ReservationStatus::Waiting, Some(7)));
    assert_eq!(after.wait_until, Some(at(600)));
    let amounts: Vec<_> = after.lines.iter().map(|line| (line.quantity, line.waiting)).collect();
    assert_eq!(amounts, [(2, 3), (0, 1)]);
    assert_eq!(a_after(&inventory), (0, 3));
}

#[test]
fn a_reservation_that_lacks_nothing_is_an_ordinary_hold() {
    let inventory = given(&[receive(&[("A", 5)])]);
    let events = when(&inventory, parts_of_a(1, 5)).unwrap();
    assert_eq!(types(&events), ["ReservationHeld", "StockReserved"]);
    assert_eq!(Ok(events), when(&inventory, reserving(1, &[("A", 5)])));
}

#[test]
fn what_comes_in_goes_to_those_who_wait_in_the_same_command() {
    let mut inventory = given(&[parts_of_a(1, 2), parts_of_a(2, 2)]);
    let events = then(&mut inventory, 30, receive(&[("A", 3)]));
    assert_eq!(types(&events), ["StockReceived", "StockWaitlistFilled", "StockWaitlistFilled"]);
    assert_eq!(filled(&events), [(1, 2), (2, 1)]);
    assert_eq!(a_after(&inventory), (0, 1));
    assert_eq!(events[1].own_time(), Some(at(30)));
    let refused = when_at(&inventory, 30, issue(&[("A", 1)]));
    assert_eq!(refused, insufficient(vec![short("A", 1, 0)]));
}

#[test]
fn a_higher_priority_is_filled_first_and_equals_in_the_order_in_which_they_came() {
    let mut inventory = given(&[
        parts_of_a(1, 1),
        waiting(2, &[("A", 1)], 4, Fill::Parts),
        waiting(3, &[("A", 1)], 9, Fill::Parts),
        parts_of_a(4, 1),
    ]);
    let events = then(&mut inventory, 0, receive(&[("A", 4)]));
    assert_eq!(filled(&events), [(3, 1), (1, 1), (4, 1), (2, 1)]);
}

#[test]
fn who_wants_the_whole_is_passed_over_where_it_does_not_fit_and_that_is_recorded() {
    let mut inventory = given(&[whole_of_a(1, 5), parts_of_a(2, 2), whole_of_a(3, 2)]);
    let events = then(&mut inventory, 0, receive(&[("A", 4)]));
    assert_eq!(filled(&events), [(2, 2), (3, 2)]);
    for one in fills(&events) {
        let passed_over: Vec<_> =
            one.passed_over.iter().map(|one| (&one.reservation, one.line, one.waiting)).collect();
        assert_eq!(passed_over, [(&id(1), 1, 5)]);
    }
    // What only somebody wants who does not fit is free for others.
    let events = then(&mut inventory, 0, receive(&[("A", 4)]));
    assert_eq!(filled(&events), []);
    let events = then(&mut inventory, 0, reserving(4, &[("A", 3)]));
    assert_eq!(types(&events), ["ReservationHeld", "StockReserved"]);
    let events = then(&mut inventory, 0, receive(&[("A", 4)]));
    assert_eq!(filled(&events), [(1, 5)]);
    assert_eq!(fills(&events)[0].passed_over, []);
}

#[test]
fn a_new_reservation_takes_the_whole_or_nothing_of_a_line() {
    let mut inventory = given(&[receive(&[("A", 4)])]);
    let events = then(&mut inventory, 0, whole_of_a(1, 5));
    assert_eq!(types(&events), ["ReservationWaitlisted", "StockWaitlisted"]);
    assert_eq!(a_after(&inventory), (4, 5));
}

#[test]
fn what_a_new_reservation_frees_but_cannot_use_goes_to_the_next_and_it_is_passed_over_itself() {
    let mut inventory = given(&[receive(&[("A", 2)]), reserving(1, &[("A", 2)]), parts_of_a(2, 5)]);
    let policy = Policy::Wait(Wait { seconds: 600, priority: 9, fill: Fill::Whole });
    let replacing = ReserveStock { policy, replaces: Some(id(1)), ..reserve(3, &[("A", 4)]) };
    let events = then(&mut inventory, 0, Command::ReserveStock(replacing));
    assert_eq!(filled(&events), [(2, 2)]);
    assert_eq!(fills(&events)[0].passed_over[0].reservation, id(3));
}

#[test]
fn every_way_in_which_available_grows_fills_the_queue() {
    let confirmed = || {
        let mut inventory = given(&[receive(&[("A", 3)]), reserving(1, &[("A", 3)])]);
        then(&mut inventory, 0, step(1, Step::Confirm));
        then(&mut inventory, 0, parts_of_a(9, 1));
        inventory
    };
    let mut fulfilled = confirmed();
    then(&mut fulfilled, 0, step(1, Step::Fulfil(None)));
    let held = given(&[receive(&[("A", 3)]), reserving(1, &[("A", 3)]), parts_of_a(9, 1)]);
    let elsewhere = given(&[
        receive(&[("A", 3)]),
        moving(&[("A", "MAIN", "WEST", 3)]),
        dispatch(1, &[("A", "WEST", "MAIN", 1)], None),
        parts_of_a(9, 1),
    ]);
    let empty = given(&[parts_of_a(9, 1)]);
    let one = || parts(&[(1, 1)]);
    let cases = [
        (&empty, receive(&[("A", 1)])),
        (&empty, adjust(&[("A", 1)], false)),
        (&empty, set(1, None, false)),
        (&elsewhere, moving(&[("A", "WEST", "MAIN", 1)])),
        (&elsewhere, transfer(1, TransferChange::Receive(one()))),
        (&held, step(1, Step::Release(None))),
        (&confirmed(), step(1, Step::Cancel(Some(one())))),
        (&fulfilled, step(1, Step::Return(one()))),
    ];
    for (inventory, command) in cases {
        let events = when(inventory, command.clone()).unwrap();
        assert_eq!(filled(&events), [(9, 1)], "{command:?}");
    }
    let events = when_at(&held, 60, step(1, SETTLE)).unwrap();
    assert_eq!(filled(&events), [(9, 1)], "an expiry");
    let events = when_at(&held, 60, issue(&[("A", 1)])).unwrap();
    assert_eq!(filled(&events), [(9, 1)], "an expiry that another command ends");
    assert_eq!(types(&events)[..2], ["StockHoldExpired", "StockWaitlistFilled"]);
}

#[test]
fn a_reservation_is_held_from_its_last_fill_on_whenever_its_own_stream_follows() {
    let mut inventory = given(&[waiting(1, &[("A", 2), ("B", 1)], 5, Fill::Parts)]);
    then(&mut inventory, 10, receive(&[("B", 1)]));
    then(&mut inventory, 20, receive(&[("A", 1)]));
    let events = then(&mut inventory, 21, step(1, SETTLE));
    assert_eq!(types(&events), ["ReservationFilled"]);
    assert_eq!(own_step(&events).parts, parts(&[(1, 1), (2, 1)]));
    assert_eq!(reservation(&inventory, 1).status, ReservationStatus::Waiting);
    assert_eq!(when_at(&inventory, 22, step(1, SETTLE)), Ok(vec![]));

    then(&mut inventory, 590, receive(&[("A", 1)]));
    let mut late = inventory.clone();
    for (inventory, second) in [(&mut inventory, 591), (&mut late, 640)] {
        let events = then(inventory, second, step(1, SETTLE));
        let kinds = ["ReservationFilled", "StockHoldExtended", "StockHoldExtended"];
        assert_eq!(types(&events), kinds);
        let after = reservation(inventory, 1);
        assert_eq!((after.status, after.expires_at), (ReservationStatus::Held, at(650)));
    }
    assert!(when_at(&inventory, 649, step(1, Step::Confirm)).is_ok());
    let over = Err(Rejection::ReservationExpired {});
    assert_eq!(when_at(&inventory, 650, step(1, Step::Confirm)), over);
}

#[test]
fn a_step_follows_first_so_that_nobody_waits_for_the_sweeper() {
    let mut inventory = given(&[parts_of_a(1, 2)]);
    then(&mut inventory, 10, receive(&[("A", 2)]));
    let events = then(&mut inventory, 10, step(1, Step::Confirm));
    let kinds =
        ["ReservationFilled", "StockHoldExtended", "ReservationConfirmed", "StockAllocated"];
    assert_eq!(types(&events), kinds);
}

#[test]
fn a_hold_that_was_over_before_its_reservation_followed_ends_with_it() {
    let mut inventory = given(&[parts_of_a(1, 2), parts_of_a(2, 1)]);
    then(&mut inventory, 10, receive(&[("A", 2)]));
    let events = then(&mut inventory, 70, step(1, SETTLE));
    let kinds = [
        "ReservationFilled",
        "StockHoldExtended",
        "ReservationExpired",
        "StockHoldExpired",
        "StockWaitlistFilled",
    ];
    assert_eq!(types(&events), kinds);
    assert_eq!(filled(&events), [(2, 1)]);
    assert_eq!(events[3].own_time(), Some(at(70)));
}

#[test]
fn waiting_ends_and_what_was_filled_goes_to_the_next() {
    let short = Policy::Wait(Wait { seconds: 30, priority: 5, fill: Fill::Parts });
    let first = Command::ReserveStock(ReserveStock { policy: short, ..reserve(1, &[("A", 3)]) });
    let mut inventory = given(&[first, parts_of_a(2, 2)]);
    then(&mut inventory, 0, receive(&[("A", 1)]));
    assert_eq!(
        when_at(&inventory, 29, step(1, Step::Confirm)),
        wrong_state(ReservationStatus::Waiting)
    );
    let over = Err(Rejection::ReservationExpired {});
    assert_eq!(when_at(&inventory, 30, step(1, Step::Release(None))), over);

    let mut others = inventory.clone();
    let events = then(&mut others, 30, receive(&[("A", 1)]));
    assert_eq!(types(&events)[..2], ["StockWaitlistLeft", "StockReceived"]);
    assert_eq!(filled(&events), [(2, 1)], "those who waited long enough left before");
    assert_eq!(events[0].own_time(), Some(at(30)));

    for inventory in [&mut inventory, &mut others] {
        let events = then(inventory, 31, step(1, SETTLE));
        assert_eq!(filled(&events), [(2, 1)], "what was filled is released");
        let after = reservation(inventory, 1);
        assert_eq!((after.status, after.expires_at), (ReservationStatus::Expired, at(30)));
        assert_eq!((after.lines[0].waiting, after.lines[0].released), (0, 1));
        assert_eq!(when_at(inventory, 32, step(1, SETTLE)), Ok(vec![]));
    }
}

#[test]
fn a_release_takes_the_waiting_part_first() {
    let mut inventory = given(&[receive(&[("A", 2)]), parts_of_a(1, 5)]);
    let release = |quantity| step(1, Step::Release(Some(parts(&[(1, quantity)]))));
    let over = Excess { line: 1, asked: 6, possible: 5 };
    assert_eq!(when(&inventory, release(6)), Err(Rejection::OverRelease { part: over }));
    let events = then(&mut inventory, 0, release(2));
    assert_eq!(types(&events), ["ReservationReleased", "StockWaitlistLeft"]);
    let Event::StockWaitlistLeft(left) = &events[1] else { panic!("{events:?}") };
    assert_eq!((left.quantity, left.waiting, left.why), (2, 1, WhyLeft::Released));
    let mut rest = inventory.clone();
    let events = then(&mut inventory, 40, release(2));
    let kinds = ["ReservationReleased", "StockWaitlistLeft", "StockReleased", "StockHoldExtended"];
    assert_eq!(types(&events), kinds);
    let after = reservation(&inventory, 1);
    assert_eq!((after.status, after.expires_at), (ReservationStatus::Held, at(100)));
    assert_eq!((after.lines[0].open(), after.lines[0].waiting), (1, 0));

    let events = then(&mut rest, 0, step(1, Step::Release(None)));
    assert_eq!(types(&events), kinds[..3]);
    assert_eq!(reservation(&rest, 1).status, ReservationStatus::Released);
    assert_eq!(when(&rest, step(1, Step::Release(None))), Ok(vec![]));
}

#[test]
fn a_waiting_reservation_takes_no_step_of_a_hold_or_a_promise() {
    let inventory = given(&[receive(&[("A", 1)]), parts_of_a(1, 2)]);
    let steps = [
        Step::Extend { ttl_seconds: 60 },
        Step::Confirm,
        Step::Cancel(None),
        Step::Fulfil(None),
        Step::Return(parts(&[(1, 1)])),
    ];
    for one in steps {
        assert_eq!(when(&inventory, step(1, one)), wrong_state(ReservationStatus::Waiting));
    }
    let replacing = ReserveStock { replaces: Some(id(1)), ..reserve(2, &[("A", 1)]) };
    let refused = when(&inventory, Command::ReserveStock(replacing));
    assert_eq!(refused, wrong_state(ReservationStatus::Waiting));
}

#[test]
fn another_priority_moves_a_waiter_and_another_end_keeps_its_place() {
    let mut inventory = given(&[parts_of_a(1, 1), parts_of_a(2, 1), parts_of_a(3, 1)]);
    let change = |number, priority, seconds| step(number, Step::ChangeWait { priority, seconds });
    let events = then(&mut inventory, 0, change(3, Some(6), None));
    assert_eq!(types(&events), ["ReservationWaitlistChanged", "StockWaitlistChanged"]);
    then(&mut inventory, 0, change(1, None, Some(900)));
    assert_eq!(reservation(&inventory, 1).wait_until, Some(at(900)));
    assert_eq!(when(&inventory, change(1, Some(5), Some(900))), Ok(vec![]));
    assert_eq!(when(&inventory, change(1, None, None)), Ok(vec![]));
    let events = then(&mut inventory, 0, receive(&[("A", 2)]));
    assert_eq!(filled(&events), [(3, 1), (1, 1)]);
    assert_eq!(when(&inventory, change(3, Some(1), None)), wrong_state(ReservationStatus::Held));
}

#[test]
fn an_item_that_somebody_waits_for_is_not_retired_and_a_retired_one_is_not_waited_for() {
    let mut inventory = given(&[parts_of_a(1, 1)]);
    let in_use = Rejection::ItemHasStock { sku: "A".parse().unwrap() };
    assert_eq!(when(&inventory, retire("A")), Err(in_use));
    then(&mut inventory, 0, step(1, Step::Release(None)));
    then(&mut inventory, 0, retire("A"));
    let retired = Rejection::ItemRetired { sku: "A".parse().unwrap() };
    assert_eq!(when(&inventory, parts_of_a(2, 1)), Err(retired));
}

#[test]
fn a_command_fills_at_most_a_thousand_and_the_next_goes_on_before_anybody_else_gets_anything() {
    let mut inventory = given(&[]);
    for number in 1..=1_500 {
        then(&mut inventory, 0, parts_of_a(number, 1));
    }
    let events = then(&mut inventory, 1, receive(&[("A", 2_000)]));
    assert_eq!(fills(&events).len(), 1_000);
    assert_eq!(fills(&events)[998].more_due_at, None);
    assert_eq!(fills(&events)[999].more_due_at, Some(at(1)));
    assert_eq!(a_after(&inventory), (1_000, 500));

    let events = when_at(&inventory, 1, issue(&[("A", 501)]));
    assert_eq!(events, insufficient(vec![short("A", 501, 500)]));
    let events = when_at(&inventory, 1, issue(&[("A", 500)])).unwrap();
    assert_eq!((fills(&events).len(), types(&events)[500]), (500, "StockIssued"));
    assert_eq!(fills(&events)[499].more_due_at, None);
    let (sku, location) = ("A".parse().unwrap(), "MAIN".parse().unwrap());
    let go_on = Command::FillWaitlist(FillWaitlist { sku, location });
    let events = then(&mut inventory, 1, go_on.clone());
    assert_eq!(events.len(), 500);
    assert_eq!(when_at(&inventory, 1, go_on), Ok(vec![]));
}

#[test]
fn while_more_is_due_nobody_gets_in_between() {
    let mut inventory = given(&[]);
    for number in 1..=2_200 {
        then(&mut inventory, 0, parts_of_a(number, 1));
    }
    then(&mut inventory, 1, receive(&[("A", 2_200)]));
    let refused = when_at(&inventory, 1, issue(&[("A", 1)]));
    assert_eq!(refused, insufficient(vec![short("A", 1, 0)]));
    let events = when_at(&inventory, 1, receive(&[("A", 1)])).unwrap();
    assert_eq!(fills(&events).len(), 1_000);
    assert_eq!(fills(&events)[999].more_due_at, Some(at(1)));
}

#[test]
fn every_stock_that_a_command_frees_fills_at_least_one() {
    let mut inventory = given(&[]);
    for number in 1..=1_000 {
        then(&mut inventory, 0, parts_of_a(number, 1));
    }
    then(&mut inventory, 0, waiting(1_001, &[("B", 1)], 5, Fill::Parts));
    then(&mut inventory, 0, waiting(1_002, &[("B", 1)], 5, Fill::Parts));
    let events = then(&mut inventory, 1, receive(&[("A", 1_000), ("B", 2)]));
    assert_eq!(fills(&events).len(), 1_001);
    assert_eq!(fills(&events)[999].more_due_at, None);
    assert_eq!(fills(&events)[1_000].more_due_at, Some(at(1)));
}

#[test]
fn goods_that_those_who_waited_hold_are_promised_to_a_reversal_of_their_receipt() {
    let mut inventory = given(&[parts_of_a(1, 2)]);
    let events = then(&mut inventory, 0, receive(&[("A", 2)]));
    let target = |number: i64, event: &Event| {
        let id = shared_events::lane::EventId(
            shared_events::lane::Lane(0),
            shared_events::lane::Position(number),
        );
        let target = TargetEvent {
            event: event.clone(),
            occurred_at: at(0),
            is_reversed: false,
            reversed_by: None,
            dependents: Vec::new(),
            promises: Vec::new(),
        };
        (id, target)
    };
    let named = (1..).zip(&events).map(|(number, event)| target(number, event));
    inventory.insert_selection(correlation(7), named.collect::<Vec<_>>());
    let refused = when(&inventory, reverse(1, correlation(7)));
    assert!(matches!(refused, Err(Rejection::Promised { .. })), "{refused:?}");
    then(&mut inventory, 0, step(1, Step::Release(None)));
    let events = when(&inventory, reverse(1, correlation(7))).unwrap();
    assert_eq!(types(&events), ["StockReversed"]);
}
