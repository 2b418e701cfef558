//! Receiving, issuing and adjusting stock.

use super::*;

#[test]
fn received_stock_adds_up_line_by_line() {
    let events = when(&given(&[receive(&[("A", 5)])]), receive(&[("A", 2), ("B", 9), ("A", 3)]));
    assert_eq!(on_hand_after(&events.unwrap()), [7, 9, 10]);
}

#[test]
fn stock_of_an_unknown_item_or_at_an_unknown_location_is_rejected() {
    let sku = "C".parse().unwrap();
    assert_eq!(
        when(&given(&[]), receive(&[("A", 1), ("C", 1)])),
        Err(Rejection::UnknownSku { sku })
    );
    let nowhere = StockLine { location: "EAST".parse().unwrap(), ..line("A", 1) };
    let command = ReceiveStock { lines: vec![nowhere], cause: Cause::default() };
    assert_eq!(
        when(&given(&[]), Command::ReceiveStock(command)),
        Err(Rejection::UnknownLocation { location: "EAST".parse().unwrap() })
    );
}

#[test]
fn issuing_all_that_is_available_leaves_zero() {
    let events = when(&given(&[receive(&[("A", 5)])]), issue(&[("A", 2), ("A", 3)]));
    assert_eq!(on_hand_after(&events.unwrap()), [3, 0]);
}

#[test]
fn lines_of_one_stream_are_added_up_before_the_check() {
    let refused = when(&given(&[receive(&[("A", 5)])]), issue(&[("A", 3), ("A", 3)]));
    assert_eq!(refused, insufficient(vec![short("A", 6, 5)]));
}

#[test]
fn a_rejection_names_every_short_line_and_only_those() {
    let inventory = given(&[receive(&[("A", 5), ("B", 1)])]);
    let refused = when(&inventory, issue(&[("B", 2), ("A", 5)]));
    assert_eq!(refused, insufficient(vec![short("B", 2, 1)]));
    let refused = when(&inventory, issue(&[("B", 2), ("A", 6)]));
    let lines = vec![short("B", 2, 1), short("A", 6, 5)];
    assert_eq!(refused, insufficient(lines));
}

#[test]
fn adjusting_below_available_needs_an_accepted_shortage() {
    let inventory =
        given(&[receive(&[("A", 5)]), reserving(1, &[("A", 4)]), step(1, Step::Confirm)]);
    let refused = when(&inventory, adjust(&[("A", -3)], false));
    assert_eq!(refused, insufficient(vec![short("A", 3, 1)]));
    let Ok(events) = when(&inventory, adjust(&[("A", -3)], true)) else { panic!("accepted") };
    let [Event::StockAdjusted(adjusted)] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!((adjusted.after.on_hand, adjusted.after.available()), (2, -2));
    assert!(adjusted.shortage, "available is negative");
    let events = when(&inventory, adjust(&[("A", -1)], true)).unwrap();
    let [Event::StockAdjusted(adjusted)] = events.as_slice() else { panic!("{events:?}") };
    assert!(!adjusted.shortage, "the accepted shortage did not occur");
}

#[test]
fn no_adjustment_makes_on_hand_negative_not_even_between_its_lines() {
    let inventory = given(&[receive(&[("A", 3)])]);
    for accept_shortage in [false, true] {
        let refused = when(&inventory, adjust(&[("A", -4), ("A", 5)], accept_shortage));
        assert_eq!(refused, insufficient(vec![short("A", 4, 3)]));
        let refused = when(&inventory, adjust(&[("A", 5), ("A", -10)], accept_shortage));
        assert_eq!(refused, insufficient(vec![short("A", 10, 8)]));
    }
    let events = when(&inventory, adjust(&[("A", 5), ("A", -8)], false));
    assert_eq!(on_hand_after(&events.unwrap()), [8, 0]);
}

#[test]
fn a_figure_never_exceeds_the_largest_exact_integer() {
    let inventory = given(&[receive(&[("A", AMOUNT_MAX - 1)])]);
    assert!(when(&inventory, receive(&[("A", 1)])).is_ok());
    let overflow = Rejection::QuantityOverflow {
        sku: "A".parse().unwrap(),
        location: "MAIN".parse().unwrap(),
    };
    assert_eq!(when(&inventory, receive(&[("A", 1), ("A", 1)])), Err(overflow.clone()));
    assert_eq!(when(&inventory, adjust(&[("A", 2)], false)), Err(overflow));
    let many = [("A", AMOUNT_MAX); 5_000];
    assert!(matches!(when(&inventory, issue(&many)), Err(Rejection::InsufficientStock { .. })));
    let in_and_out = [("B", AMOUNT_MAX), ("B", -AMOUNT_MAX)].repeat(2_000);
    assert_eq!(on_hand_after(&when(&inventory, adjust(&in_and_out, false)).unwrap()).len(), 4_000);
    let too_much = [&in_and_out[..], &[("B", 5), ("B", -6)]].concat();
    let beyond = insufficient(vec![short("B", i64::MAX, i64::MAX)]);
    assert_eq!(when(&inventory, adjust(&too_much, false)), beyond);
}

#[test]
fn a_failed_precondition_is_rejected_with_both_values() {
    let inventory = given(&[receive(&[("A", 5)])]);
    let conflict = Rejection::VersionConflict { expected: Version(2), actual: Version(1) };
    let at = |version| StockLine { expected_version: Some(Version(version)), ..line("A", 1) };
    let issue_at =
        |version| IssueStock { lines: vec![at(version)], purpose: None, cause: Cause::default() };
    assert!(when(&inventory, Command::IssueStock(issue_at(1))).is_ok());
    assert_eq!(when(&inventory, Command::IssueStock(issue_at(2))), Err(conflict.clone()));
    let at_2 = Some(Precondition::Version(Version(2)));
    let item_at_2 = RegisterItem { precondition: at_2, ..register("A") };
    assert_eq!(when(&inventory, Command::RegisterItem(item_at_2)), Err(conflict));

    let Command::AdjustStock(mut command) = adjust(&[("A", -1)], false) else { unreachable!() };
    command.lines[0].expected_quantity = Some(6);
    assert_eq!(
        when(&inventory, Command::AdjustStock(command)),
        Err(Rejection::StaleQuantity { expected: 6, actual: 5 })
    );
}

#[test]
fn an_event_cannot_have_occurred_before_1970_or_in_the_future() {
    let inventory = given(&[]);
    let occurred = |occurred_at: &str| {
        let occurred_at: Timestamp = occurred_at.parse().unwrap();
        let request = Request { command: receive(&[("A", 1)]), occurred_at: Some(occurred_at) };
        decide(&inventory, &request, at(0))
    };
    assert!(occurred("1970-01-01T00:00:00Z").is_ok());
    assert!(occurred("2026-01-01T12:05:00Z").is_ok());
    for implausible in ["1969-12-31T23:59:59.999999Z", "2026-01-01T12:05:00.000001Z"] {
        assert!(
            matches!(occurred(implausible), Err(Rejection::OccurredAtOutOfRange { .. })),
            "{implausible}"
        );
    }
}

/// Five of A received at second 0, three issued at second 60.
fn issued_later() -> Inventory {
    let mut inventory = given(&[receive(&[("A", 5)])]);
    let request = Request { command: issue(&[("A", 3)]), occurred_at: Some(at(60)) };
    for event in decide(&inventory, &request, at(90)).unwrap() {
        inventory.evolve(&event, request.time_of(&event, at(90)));
    }
    inventory
}

fn expecting(quantity: i64) -> Command {
    let Command::AdjustStock(mut command) = adjust(&[("A", -1)], false) else { unreachable!() };
    command.lines[0].expected_quantity = Some(quantity);
    Command::AdjustStock(command)
}

#[test]
fn what_compares_with_todays_quantity_is_not_dated_before_its_newest_change() {
    let inventory = issued_later();
    let dated = |command: &Command, seconds: Option<u64>| {
        decide(
            &inventory,
            &Request { command: command.clone(), occurred_at: seconds.map(at) },
            at(90),
        )
    };
    let too_early = Err(Rejection::OccurredAtOutOfRange { earliest: at(60), latest: at(390) });
    for command in [set(9, None, false), set(2, None, false), set(2, Some(7), false), expecting(2)]
    {
        for seconds in [0, 59] {
            assert_eq!(dated(&command, Some(seconds)), too_early, "{command:?}");
        }
    }
    for command in [set(9, None, false), set(2, None, false), set(9, Some(2), false), expecting(2)]
    {
        for seconds in [Some(60), Some(61), Some(390), None] {
            assert!(dated(&command, seconds).is_ok(), "{command:?} {seconds:?}");
        }
    }
    let west = set_at("WEST", 1);
    assert!(dated(&west, Some(1)).is_ok(), "another location has no change");
    for difference in [adjust(&[("A", -1)], false), receive(&[("A", 1)]), issue(&[("A", 1)])] {
        assert!(dated(&difference, Some(1)).is_ok(), "a difference compares with nothing");
    }
}

fn set_at(location: &str, quantity: i64) -> Command {
    let Command::SetStock(command) = set(quantity, None, false) else { unreachable!() };
    Command::SetStock(SetStock { location: location.parse().unwrap(), ..command })
}

#[test]
fn the_newest_change_is_not_the_last_one_that_was_recorded() {
    let mut inventory = issued_later();
    then(&mut inventory, 0, receive(&[("A", 1)]));
    let count = Request { command: set(3, None, false), occurred_at: Some(at(59)) };
    assert!(matches!(
        decide(&inventory, &count, at(90)),
        Err(Rejection::OccurredAtOutOfRange { earliest, .. }) if earliest == at(60)
    ));
}
